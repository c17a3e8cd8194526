// Package lambda runs real function binaries (a provided.al2023 bootstrap built for this machine) with the
// behaviour of AWS Lambda that the functions rely on or have to survive:
//
//   - Each process handles one invocation at a time and talks to its own Runtime API on loopback; when all processes
//     of a function are busy, another one starts (cold). A process that asks for its next invocation is frozen with
//     SIGSTOP and thawed when it gets one, so nothing runs between invocations.
//   - An invocation carries its deadline; at the deadline, or when the process grows beyond the function's memory,
//     the process is killed and the invocation fails. The same holds for init, which has ten seconds.
//   - Asynchronous events wait in a queue with the age limit, the retries and the failure destination of the template.
//   - Rate rules fire at start, then each period. An SQS mapping deletes only what succeeded.
//
// The reply of an invocation counts as given when the process asks for the next one or dies, whichever comes
// first; a process killed after it posted its reply has succeeded.
//
// Processes end with the host: by Close, and by the kernel (parent death signal) if the host itself is killed.
//
// What goes wrong inside a function is the caller's Result; what goes wrong in the host's own
// machinery goes to Config.Problem. Nothing here decides anything for the functions.
package lambda
