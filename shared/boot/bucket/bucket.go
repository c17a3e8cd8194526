// Package bucket opens the archive for functions that keep something in it.
package bucket

import (
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/shared/archive"
	"github.com/bridge-me-not/resolver-cron/shared/boot"
)

// Open returns the bucket that the environment names; see env.NeedArchive.
func Open(b *boot.Base) (*archive.Bucket, error) {
	return archive.New(s3.NewFromConfig(b.AWS), b.Config.ArchiveBucket)
}
