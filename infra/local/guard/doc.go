// Package guard makes the roles of the template real on one machine: it stands before the
// services of the local stack, decides every request of every function by the policies
// that its role would have in the cloud, and refuses as AWS does what is not granted. So
// whatever runs here runs with the least privilege that gets deployed.
//
// It also notes what was asked for: function, action, resource and the kind of partition
// key. The notes of all runs together are kept in used.txt, and infra/validate compares
// them with the template both ways: what is used must be granted, and what is granted must
// be used.
//
// Lambda's own duties (reading a queue, writing logs and traces, handing over failed
// events) pass no proxy, for no binary asks for them; Duties lists them.
package guard
