// Package param reads secret parameters from AWS Systems Manager's Parameter Store.
//
// They are standard SecureStrings below one path per stack, encrypted under
// alias/aws/ssm. That key lets everybody of the account decrypt who may read the
// parameter, so a role needs ssm:GetParameters on the path and no permission of KMS.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html
//
// The parameters, the key and the requests to read cost nothing. Each decryption does,
// beyond the 20,000 a month that an account has free, as a request to KMS: values are
// decrypted when they are first read and when they have changed, and looked at without
// decryption meanwhile.
package param

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// perRequest is how many parameters one GetParameters takes.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
const perRequest = 10

// Store is the parameters below one path. It is safe for concurrent use.
type Store struct {
	client *ssm.Client
	path   string

	mu    sync.Mutex
	known map[string]edition
}

// edition is a value as it was put. One that is deleted and put again has its first
// version again, at another time.
type edition struct {
	version  int64
	modified time.Time
	value    string
}

func (e edition) is(p types.Parameter) bool {
	return e.version == p.Version && p.LastModifiedDate != nil && e.modified.Equal(*p.LastModifiedDate)
}

// New returns the parameters below a path such as /resolver-cron. Retries of
// throttled and failed requests are the client's.
func New(client *ssm.Client, path string) (*Store, error) {
	path = strings.TrimRight(path, "/")
	switch {
	case client == nil:
		return nil, errors.New("open parameters: no client")
	case !strings.HasPrefix(path, "/"):
		return nil, fmt.Errorf("open parameters: path %q does not begin with /", path)
	}
	return &Store{client: client, path: path, known: map[string]edition{}}, nil
}

// Get reads the parameters of those names, decrypted. One that does not exist is
// missing from the result, which is no error. An error means that nothing is
// known of any.
func (s *Store) Get(ctx context.Context, names []string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := make(map[string]string, len(names))
	for some := range slices.Chunk(names, perRequest) {
		if err := s.get(ctx, some, values); err != nil {
			return nil, fmt.Errorf("read parameters below %s: %w", s.path, err)
		}
	}
	return values, nil
}

// get adds the values of names that fit into one request. The caller holds the lock.
func (s *Store) get(ctx context.Context, names []string, values map[string]string) error {
	if slices.ContainsFunc(names, func(name string) bool { return s.known[name].version > 0 }) {
		there, err := s.ask(ctx, names, false)
		if err != nil {
			return err
		}
		names = nil
		for name, p := range there {
			if e := s.known[name]; e.is(p) {
				values[name] = e.value
			} else {
				names = append(names, name)
			}
		}
		if len(names) == 0 {
			return nil
		}
	}
	there, err := s.ask(ctx, names, true)
	if err != nil {
		return err
	}
	for name, p := range there {
		e := edition{p.Version, aws.ToTime(p.LastModifiedDate), aws.ToString(p.Value)}
		s.known[name], values[name] = e, e.value
	}
	return nil
}

// ask makes one request.
func (s *Store) ask(ctx context.Context, names []string, decrypt bool) (map[string]types.Parameter, error) {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = s.path + "/" + name
	}
	out, err := s.client.GetParameters(ctx, &ssm.GetParametersInput{Names: paths, WithDecryption: &decrypt})
	if err != nil {
		return nil, err
	}
	there := make(map[string]types.Parameter, len(names))
	for _, p := range out.Parameters {
		if name, ours := strings.CutPrefix(aws.ToString(p.Name), s.path+"/"); ours {
			there[name] = p
		}
	}
	return there, nil
}
