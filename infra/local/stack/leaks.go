package stack

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/awsproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
)

// plant names what no function may ever log, store or send.
func (s *Stack) plant(o Options) error {
	var errs []error
	for alias, key := range o.Keys {
		errs = append(errs, s.Leaks.Plant("the private key of "+alias, crypto.FromECDSA(key)))
	}
	return errors.Join(errs...)
}

// token is the secret part of an endpoint's URL, which every other endpoint refuses.
func (s *Stack) token(endpoint string) (string, error) {
	token := rand.Text()
	s.RPC.Demand(endpoint, token)
	return token, s.Leaks.Plant("the token of endpoint "+endpoint, []byte(token))
}

// overhear looks at each request to a service: items, messages, alerts, objects, and what they are called.
func (s *Stack) overhear(c *awsproxy.Call, next awsproxy.Forward) (*awsproxy.Reply, error) {
	var head bytes.Buffer
	head.WriteString(c.Target() + "\n")
	if err := c.Header.Write(&head); err != nil {
		return nil, err
	}
	place := fmt.Sprintf("%s:%s of %s", c.Service, c.Action, c.Function)
	s.Leaks.Look(place, head.Bytes())
	s.Leaks.Look(place, c.Body)
	return next(c)
}

// observe looks at how invocations end: an error goes to the queue of failed events.
func (s *Stack) observe(o Options) func(lambda.Invocation) {
	return func(i lambda.Invocation) {
		s.Leaks.Look("error of "+i.Function, []byte(i.Error))
		if o.Observe != nil {
			o.Observe(i)
		}
	}
}

func (s *Stack) log(o Options) func(lambda.Line) {
	return func(l lambda.Line) {
		s.Leaks.Look("log of "+l.Function, []byte(l.Text))
		if o.Log != nil {
			o.Log(l)
		}
	}
}

// traces stands in for the X-Ray daemon, has each segment looked at and keeps none. It returns its address.
func (s *Stack) traces(look func(segment []byte)) (string, error) {
	daemon, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		packet := make([]byte, 1<<16)
		for {
			n, _, err := daemon.ReadFrom(packet)
			if err != nil { // closed below
				return
			}
			look(packet[:n])
		}
	}()
	s.closers = append(s.closers, func() error {
		err := daemon.Close()
		<-done
		return err
	})
	return daemon.LocalAddr().String(), nil
}

func (s *Stack) leaked() error {
	var errs []error
	for _, name := range s.Leaks.Names() {
		errs = append(errs, fmt.Errorf("%s was seen: %s", name, strings.Join(s.Leaks.Found(name), ", ")))
	}
	return errors.Join(errs...)
}
