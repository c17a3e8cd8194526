package services

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Options of a server. The zero value starts a fresh one in memory.
type Options struct {
	// Endpoint, when set, is the URL of a server that runs already: nothing is
	// installed nor started, and Stop leaves it alone. It serves systems for which
	// the DynamoDB server is not packaged.
	Endpoint string
	// Path of the database file, for a DynamoDB that remembers. Empty: in memory.
	// StartSQSSNS refuses it.
	Path string
}

// portAttempts bounds how often a port that someone else took first is replaced.
const portAttempts = 5

// StartDynamoDB starts a DynamoDB server and returns when it listens. ctx bounds the
// start alone. Install must have succeeded before, unless opts names an endpoint.
func StartDynamoDB(ctx context.Context, opts Options) (*Server, error) {
	if opts.Endpoint != "" {
		return outside(opts.Endpoint), nil
	}
	if !dynoxidePackaged() {
		return nil, errors.New("start DynamoDB: the server is packaged for linux/amd64 only: start a compatible one and give its endpoint")
	}
	dir, err := packageDir()
	if err != nil {
		return nil, fmt.Errorf("start DynamoDB: %w", err)
	}
	var last error
	for range portAttempts {
		port, err := freePort()
		if err != nil {
			return nil, fmt.Errorf("start DynamoDB: %w", err)
		}
		args := []string{"serve", "--host", "127.0.0.1", "--port", strconv.Itoa(port)}
		if opts.Path != "" {
			path, err := filepath.Abs(opts.Path)
			if err != nil {
				return nil, fmt.Errorf("start DynamoDB: %w", err)
			}
			args = append(args, "--db-path", path)
		}
		s, err := start(ctx, "DynamoDB", exec.Command(dynoxidePath(dir), args...))
		if err == nil {
			return s, nil
		}
		if last = err; !strings.Contains(err.Error(), "already in use") {
			break
		}
	}
	return nil, last
}

// StartSQSSNS starts one server that speaks SQS and SNS and returns when it listens.
// It is in memory always. ctx bounds the start alone. Install must have succeeded
// before, unless opts names an endpoint.
func StartSQSSNS(ctx context.Context, opts Options) (*Server, error) {
	if opts.Path != "" {
		return nil, errors.New("start SQS and SNS: this server has no database file")
	}
	if opts.Endpoint != "" {
		return outside(opts.Endpoint), nil
	}
	dir, err := packageDir()
	if err != nil {
		return nil, fmt.Errorf("start SQS and SNS: %w", err)
	}
	cmd := exec.Command("node", "sqssns.mjs")
	cmd.Dir = dir
	return start(ctx, "SQS and SNS", cmd)
}

// freePort asks the kernel for a loopback port that is free now. It can be taken by
// someone else before the child binds it; the child then ends and says so.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}
