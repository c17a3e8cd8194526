package main

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/env"
)

// up runs the functions against the chains of a file until it is interrupted.
func up(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("up", flag.ContinueOnError)
	file := f.String("chains", "", "chains file (see README.md)")
	profile := f.String("profile", "test", "cadence: test or mainnet")
	mode := f.String("mode", "shadow", "live sends transactions, shadow only decides")
	limit := f.Duration("for", 0, "stop after this long (0: when interrupted)")
	asJSON := f.Bool("json", false, "print the functions' own log lines, as JSON")
	verbose := f.Bool("v", false, "print every run, not only decisions, actions and alerts")
	dynamo := dynamoFlag(f)
	keys := map[string]*ecdsa.PrivateKey{}
	f.Func("key", "ALIAS=ENV_NAME: load the private key in that variable under this KMS alias (may be repeated)", func(s string) error {
		alias, key, err := loadKey(s, os.LookupEnv)
		if err == nil {
			keys[alias] = key
		}
		return err
	})
	if err := parse(f, args); err != nil {
		return err
	}
	content, err := os.ReadFile(*file)
	if err != nil {
		return errUsage{fmt.Errorf("up: -chains: %w", err)}
	}
	if err := check(content, *profile, *mode, keys); err != nil {
		return errUsage{err}
	}
	root, err := stack.Root()
	if err != nil {
		return err
	}
	out := &printer{json: *asJSON, verbose: *verbose}
	s, err := stack.Start(ctx, stack.Options{Root: root, Profile: *profile, Mode: *mode, ChainsFile: content, Lookup: os.LookupEnv,
		Keys: keys, DynamoDB: *dynamo, Log: out.line, Observe: out.invocation, Progress: out.progress()})
	if err != nil {
		return err
	}
	if *limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, *limit)
		defer cancel()
	}
	running := make(chan error, 1)
	go func() { running <- s.Run(ctx) }()
	alerts := make(chan error, 1)
	go func() { alerts <- s.Alerts(ctx, out.alert) }()
	err = errors.Join(<-running, <-alerts)
	return errors.Join(err, s.Close())
}

// check reports every problem of the chains file and of what goes with it.
func check(file []byte, profile, mode string, keys map[string]*ecdsa.PrivateKey) error {
	var errs []error
	if profile != string(env.Test) && profile != string(env.Mainnet) {
		errs = append(errs, fmt.Errorf("-profile: unknown %q; known: test, mainnet", profile))
	}
	if mode != string(env.Live) && mode != string(env.Shadow) {
		errs = append(errs, fmt.Errorf("-mode: unknown %q; known: live, shadow", mode))
	}
	c, err := env.ParseChains(file, os.LookupEnv)
	if err == nil && mode == string(env.Live) {
		err = c.CheckLive()
	}
	errs = append(errs, err)
	for i, s := range c.Signers {
		key, ok := keys[s.Key]
		switch {
		case ok && crypto.PubkeyToAddress(key.PublicKey) != s.Address:
			errs = append(errs, fmt.Errorf("signers[%d].key: the key loaded as %s belongs to %s, not to %s", i, s.Key, crypto.PubkeyToAddress(key.PublicKey), s.Address))
		case !ok && mode == string(env.Live):
			errs = append(errs, fmt.Errorf("signers[%d].key: no key is loaded as %s (-key %s=ENV_NAME)", i, s.Key, s.Key))
		}
	}
	return errors.Join(errs...)
}

// loadKey reads ALIAS=ENV_NAME. Its errors never show the key.
func loadKey(s string, lookup func(string) (string, bool)) (string, *ecdsa.PrivateKey, error) {
	alias, name, ok := strings.Cut(s, "=")
	if !ok || alias == "" || name == "" {
		return "", nil, errors.New("want ALIAS=ENV_NAME")
	}
	value, ok := lookup(name)
	if !ok || value == "" {
		return "", nil, fmt.Errorf("environment variable %s is not set", name)
	}
	key, err := crypto.HexToECDSA(strings.TrimPrefix(value, "0x"))
	if err != nil {
		return "", nil, fmt.Errorf("environment variable %s holds no private key of 64 hex digits", name)
	}
	return alias, key, nil
}
