// Package rpcproxy is a JSON-RPC reverse proxy that stands between function
// processes and chain endpoints. It counts calls and injects faults, so that
// product code needs no hook for tests.
//
// Every function gets a path of its own, http://127.0.0.1:port/<function>/<endpoint>,
// and is known by it. A Fault looks at a Call and returns an Action: answer it
// here, change its parameters, change the reply on its way back, cut the
// connection. Faults are layers, the one injected first outermost: calls pass
// them in order, replies in reverse; a fault that answers keeps the call from
// the layers below and from the endpoint.
//
// A batch is taken apart: faults see each of its calls. What no fault answers is
// forwarded as one batch, and a request that no fault touches is forwarded as it
// came. A fault that cuts the connection or answers with an HTTP status does so
// for the whole HTTP request, as such failures do in reality.
package rpcproxy
