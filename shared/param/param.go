// Package param reads secret parameters from AWS Systems Manager's Parameter Store.
//
// They are standard SecureStrings below one path per stack, encrypted under
// alias/aws/ssm: that costs nothing, and that key lets everybody of the account
// decrypt who may read the parameter, so a role needs ssm:GetParameters on the
// path and no permission of KMS.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html
package param

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// perRequest is how many parameters one GetParameters takes.
// https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameters.html
const perRequest = 10

// Store is the parameters below one path. It is safe for concurrent use.
type Store struct {
	client *ssm.Client
	path   string
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
	return &Store{client, path}, nil
}

// Get reads the parameters of those names, decrypted. One that does not exist is
// missing from the result, which is no error. An error means that nothing is
// known of any.
func (s *Store) Get(ctx context.Context, names []string) (map[string]string, error) {
	values := make(map[string]string, len(names))
	for some := range slices.Chunk(names, perRequest) {
		paths := make([]string, len(some))
		for i, name := range some {
			paths[i] = s.path + "/" + name
		}
		out, err := s.client.GetParameters(ctx, &ssm.GetParametersInput{Names: paths, WithDecryption: aws.Bool(true)})
		if err != nil {
			return nil, fmt.Errorf("read parameters below %s: %w", s.path, err)
		}
		for _, p := range out.Parameters {
			if name, ours := strings.CutPrefix(aws.ToString(p.Name), s.path+"/"); ours {
				values[name] = aws.ToString(p.Value)
			}
		}
	}
	return values, nil
}
