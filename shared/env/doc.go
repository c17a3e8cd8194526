// Package env reads what the operator decides: the function's environment and
// the chains file. It turns both into plain typed data and reports every
// problem at once, each with the path of the field it is about.
//
// The chains file is the product's one description of the outside: chains and
// their endpoints, factories, tokens, takers, signers and policy. Endpoint URLs
// and keys may name variables as ${NAME}; nothing else is expanded. An endpoint
// URL may hold a token and so never appears in a problem.
package env
