package stack

import (
	"context"
	"crypto/ecdsa"
	"encoding/hex"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/bridge-me-not/resolver-cron/infra/local/lambda"
)

// put writes an object as order-cleanup does.
func put(t *testing.T, s *Stack, in *s3.PutObjectInput) {
	t.Helper()
	url := s.AWS.URL("order-cleanup@1", "s3")
	client := s3.New(s3.Options{Region: region, BaseEndpoint: &url, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
	in.Bucket = aws.String(s.Template.Buckets[0].Name)
	if _, err := client.PutObject(t.Context(), in); err != nil {
		t.Error(err)
	}
}

// A stack whose functions let out what was planted does not close well, and says
// what was seen where, without repeating it.
func TestLeaksMakeCloseFail(t *testing.T) {
	key, err := crypto.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Root: "../../..", Profile: "mainnet", Mode: "live", ChainsFile: []byte("chains: []"), Lookup: os.LookupEnv,
		Keys: map[string]*ecdsa.PrivateKey{"alias/signer": key}, Functions: []string{}, DynamoDB: os.Getenv("RESOLVER_CRON_TEST_DYNAMODB")}
	secret := hex.EncodeToString(crypto.FromECDSA(key))
	for _, c := range []struct {
		name string
		leak func(*Stack)
		says string
	}{
		{"nothing", func(s *Stack) {
			s.log(o)(lambda.Line{Process: lambda.Process{Function: "state-sync"}, Text: "run ended"})
		}, ""},
		{"a log line", func(s *Stack) {
			token, err := s.token("c0e1")
			if err != nil {
				t.Error(err)
			}
			s.log(o)(lambda.Line{Process: lambda.Process{Function: "state-sync"}, Text: "post " + s.RPC.URL("f", "c0e1") + "?token=" + token})
		}, "the token of endpoint c0e1 was seen: log of state-sync"},
		{"the name of an object", func(s *Stack) {
			put(t, s, &s3.PutObjectInput{Key: aws.String("orders/" + secret)})
		}, "the private key of alias/signer was seen: s3:PutObject of order-cleanup"},
		{"what is said of an object", func(s *Stack) {
			put(t, s, &s3.PutObjectInput{Key: aws.String("orders/a"), Metadata: map[string]string{"by": secret}})
		}, "the private key of alias/signer was seen: s3:PutObject of order-cleanup"},
		{"a trace", func(s *Stack) {
			seen := make(chan struct{}, 1)
			at, err := s.traces(func(segment []byte) {
				s.Leaks.Look("a trace", segment)
				select {
				case seen <- struct{}{}:
				default:
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			function, err := net.Dial("udp", at)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			again := time.NewTicker(time.Second) // a packet may be lost
			defer again.Stop()
			for waiting := true; waiting; {
				if _, err := function.Write([]byte(`{"format":"json","version":1}` + "\n" + `{"name":"reading","annotations":{"key":"0x` + secret + `"}}`)); err != nil {
					t.Error(err)
				}
				select {
				case <-seen:
					waiting = false
				case <-again.C:
				case <-ctx.Done():
					t.Error("no segment was seen")
					waiting = false
				}
			}
			if err := function.Close(); err != nil {
				t.Error(err)
			}
		}, "the private key of alias/signer was seen: a trace"},
		{"an error", func(s *Stack) { s.observe(o)(lambda.Invocation{Function: "pacer", Error: "key 0x" + secret}) },
			"the private key of alias/signer was seen: error of pacer"},
		{"a message", func(s *Stack) {
			url := s.AWS.URL("action-executor@1", "sqs")
			client := sqs.New(sqs.Options{Region: region, BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})
			in := &sqs.SendMessageInput{QueueUrl: aws.String(s.QueueURL("Doorbells")), MessageBody: aws.String(strings.ToUpper(secret))}
			if _, err := client.SendMessage(t.Context(), in); err != nil {
				t.Error(err)
			}
		}, "the private key of alias/signer was seen: sqs:SendMessage of action-executor"},
	} {
		s, err := Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		c.leak(s)
		err = s.Close()
		if c.says == "" {
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || err.Error() != c.says {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}
