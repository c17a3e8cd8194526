package main

import "github.com/bridge-me-not/resolver-cron/infra/local/guard"

// seldom are the uses that no run of the local stack is sure to show, each with its reason. They have to be granted
// like the others.
func seldom() (uses []guard.Use) {
	return nil
}
