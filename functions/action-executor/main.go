// Command action-executor is the only one that signs: it sends what is due for
// the accounts that doorbells name, and, on its own schedule, for any account.
package main

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/ethereum/go-ethereum/common"

	"github.com/bridge-me-not/resolver-cron/shared/boot/chains"
	"github.com/bridge-me-not/resolver-cron/shared/job"
	"github.com/bridge-me-not/resolver-cron/shared/kmssigner"
)

func main() {
	job.Main(func(ctx context.Context) (job.Handler, error) {
		return chains.Serve(ctx, func(p *chains.Parts) (job.Handler, error) {
			keys := map[common.Address]string{}
			for _, s := range p.Config.Signers {
				keys[s.Address] = s.Key
			}
			return p.Executor(kmssigner.New(kms.NewFromConfig(p.AWS), keys))
		})
	})
}
