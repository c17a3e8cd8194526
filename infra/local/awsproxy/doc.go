// Package awsproxy stands between the functions of the local stack and the servers that
// play AWS for them. It sees what a real AWS bill and a real IAM policy would see, and it
// does to requests what a bad day does, so that no product code has a hook for tests.
//
// # Addressing
//
// Every process has base URLs of its own, http://127.0.0.1:PORT/PROCESS/SERVICE, given
// to the SDK by AWS_ENDPOINT_URL_… variables (see Proxy.Env). PROCESS is the function's
// name, or FUNCTION@INSTANCE where several processes of one function run. The SDK for Go
// keeps such a base path for every protocol in use (a test proves it), also for SQS, whose
// queue URLs name another host: the client sends to its endpoint and the queue URL goes
// along in the body.
//
// # Fidelity
//
// Requests and answers pass byte for byte, signatures included (the servers behind do not
// check them), with three exceptions: the base path is cut off, answers are asked for
// uncompressed, and DynamoDB requests that do not ask for their consumed capacity are made
// to. A request that arrived whole reaches the service even if its caller dies meanwhile,
// as it would on a network; only a ReceiveMessage is given up with its caller.
//
// # Faults
//
// A Fault is given the call and the rest of the way, and may answer itself, change the
// call, forward it never, once or twice, wait, run a hook on either side, or cut the
// connection. When, Nth and First select calls:
//
//	p.Use(awsproxy.When(awsproxy.Match{Function: "action-executor", Service: "dynamodb"},
//		awsproxy.Nth(3, awsproxy.LoseReply())))
package awsproxy
