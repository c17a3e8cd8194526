package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/bridge-me-not/resolver-cron/infra/bill"
	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/rpcproxy"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/shared/archive"
	"github.com/bridge-me-not/resolver-cron/shared/cleanup"
	"github.com/bridge-me-not/resolver-cron/shared/store"
)

const (
	blockTime = 2 // seconds, as on the rollups that swaps are made on
	// phase is how long each state is looked at, in seconds of the chains.
	phase = 30 * 60
	// calm is how many seconds pass before swaps that were made are looked at as open.
	calm = 10 * 60
	// apart is how many seconds lie between the beginnings of two lives, lasting how many there are from the last of
	// them until it is archived.
	apart, lasting = 150, 50 * 60
	cleaner, clock = "order-cleanup", "pacer"
	// A snapshot is its data, their manifest and the pointer to it; the data are read back, and before that the pointer
	// and the data of the newest.
	snapshotPuts, snapshotGets = 3, 3
	// starts is how often each function is started for the median of that.
	starts = 5
	// poolCap is how many transactions of an account nodes keep.
	poolCap = 16
)

// Options say what to measure. The zero value of a number is of no use.
type Options struct {
	// Root is the repository.
	Root string
	// DynamoDB is the URL of a server to use instead of the packaged one.
	DynamoDB string
	// Open is how many swaps are open in the second phase, Lives how many live in the third.
	Open, Lives int
	Progress    io.Writer
}

// Run measures. It takes about a minute.
func Run(ctx context.Context, o Options) (_ bill.Measured, err error) {
	waiting := []*scene.Scene{scene.Many{Name: "open", Swaps: o.Open, Families: contracts.Families(), Taker: scene.Contract, Due: 10 * 86400, Room: 86400}.Scene()}
	var lives []*scene.Scene
	for i := range o.Lives {
		m := scene.Many{Name: fmt.Sprintf("life %d", i), Swaps: 1, Families: contracts.Families()[i%3 : i%3+1], Taker: scene.Contract, Due: 600, Room: 1200}
		if i%2 == 0 { // every other one is taken back
			m.Reveal = 240
		}
		s := m.Scene()
		s.Start = uint64(i * apart)
		lives = append(lives, s)
	}
	begin := uint64(time.Now().Unix())/3600*3600 + 3600 // ahead of the wall clock: heads are never old
	w, err := scene.Build(ctx, begin, slices.Concat(waiting, lives))
	if err != nil {
		return bill.Measured{}, err
	}
	defer w.Close()
	m := newMeter()
	s, err := stack.Start(ctx, stack.Options{Root: o.Root, Profile: "mainnet", Mode: "live", Keys: Keys(), DynamoDB: o.DynamoDB, Progress: o.Progress,
		ChainsFile: ChainsFile(w), Observe: m.observe, Log: m.read})
	if err != nil {
		return bill.Measured{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	s.RPC.Inject(rpcproxy.PoolCap(poolCap))
	d := newDriver(s, w, m, begin)

	say := func(format string, args ...any) { fmt.Fprintf(o.Progress, format+"\n", args...) }
	say("no swap is open")
	for range starts {
		if err := d.settle(ctx); err != nil {
			return bill.Measured{}, err
		}
		for _, f := range s.Template.Functions {
			s.Host.Kill(f.Folder)
		}
	}
	if err := d.settle(ctx); err != nil {
		return bill.Measured{}, err
	}
	idle, err := d.phase(ctx, phase, nil)
	if err != nil {
		return bill.Measured{}, err
	}
	runBytes, err := d.stored(ctx, "Jobs")
	if err != nil {
		return bill.Measured{}, err
	}
	var runs float64
	for _, t := range idle {
		runs += t.runs
	}
	emptyBytes, err := d.stored(ctx, "Orders", "Actions", "Journal")
	if err != nil {
		return bill.Measured{}, err
	}

	say("%d swaps are open and not due", o.Open)
	if err := d.play(ctx, waiting); err != nil {
		return bill.Measured{}, err
	}
	if err := d.settle(ctx); err != nil {
		return bill.Measured{}, err
	}
	if _, err := d.phase(ctx, calm, nil); err != nil { // until all of them are final
		return bill.Measured{}, err
	}
	open, err := d.phase(ctx, phase, nil)
	if err != nil {
		return bill.Measured{}, err
	}
	openBytes, err := d.stored(ctx, "Orders", "Actions", "Journal")
	if err != nil {
		return bill.Measured{}, err
	}
	snapshot, err := d.objects(ctx, "snapshots/data/")
	if err != nil {
		return bill.Measured{}, err
	}

	say("%d swaps are created, claimed or taken back, and archived", o.Lives)
	lived, err := d.phase(ctx, uint64(o.Lives*apart+lasting), lives)
	if err != nil {
		return bill.Measured{}, err
	}
	archived, err := d.objects(ctx, "orders/")
	if err != nil {
		return bill.Measured{}, err
	}

	out := bill.Measured{Date: time.Now().UTC().Format(time.DateOnly), Open: o.Open, Swaps: o.Lives, Functions: map[string]bill.Function{},
		Metrics:  slices.Sorted(maps.Keys(m.series)),
		RunBytes: bill.Thousandths(float64(runBytes) / runs), OpenBytes: bill.Thousandths(float64(openBytes-emptyBytes) / float64(o.Open)),
		SnapshotBytes: bill.Thousandths(float64(slices.Max(snapshot)) / float64(o.Open)), ArchiveBytes: bill.Thousandths(float64(sum(archived)) / float64(o.Lives))}
	for _, f := range s.Template.Functions {
		n := f.Folder
		quiet, full, life := idle[n].mean(), open[n].mean(), lived[n]
		one := life.less(full.times(life.runs - life.rings)).times(1 / float64(o.Lives))
		switch n {
		case "state-persistence": // with several hundred swaps a day, something has changed at each run
			full, one = life.mean(), total{}
			quiet.puts, quiet.gets = snapshotPuts, snapshotGets
			full.puts, full.gets = quiet.puts, quiet.gets
		case "job-watchdog", "daily-report": // they read what other jobs ran, of which there is too much for the time by the wall clock
			full, one = quiet, total{}
		}
		out.Functions[n] = bill.Function{Idle: quiet.cost(), Open: full.less(quiet).times(1 / float64(o.Open)).cost(), Swap: one.cost(),
			Rings:      bill.Thousandths(life.rings / float64(o.Lives)),
			InitMillis: bill.Thousandths(median(m.inits[n]).Seconds() * 1000), FirstCPU: bill.Thousandths(median(m.firsts[n]).Seconds() * 1000), PeakMB: bill.Thousandths(math.Ceil(float64(m.peaks[n]) / (1 << 20)))}
	}
	if out.Functions["pacer"], err = pacer(ctx, o, w); err != nil {
		return bill.Measured{}, err
	}
	return out, errors.Join(d.failures()...)
}

// phase lets the chains and the functions go on for so many seconds, while scenes are played, and returns what the
// functions took.
func (d *driver) phase(ctx context.Context, seconds uint64, scenes []*scene.Scene) (map[string]total, error) {
	if scenes != nil {
		var err error
		if d.acting, err = scene.NewPlay(d.world, scenes, d.now+1); err != nil {
			return nil, err
		}
	}
	d.meter.start(d.stack)
	if scenes == nil { // a phase is no day
		if err := d.run(ctx, "daily-report", scheduled("daily-report")); err != nil {
			return nil, err
		}
	}
	for end := d.now + seconds; d.now < end; {
		if err := d.step(ctx); err != nil {
			return nil, err
		}
	}
	if d.acting != nil && !d.acting.Over() {
		return nil, errors.New("the scenes are not over")
	}
	d.acting = nil
	if scenes != nil {
		if err := d.archive(ctx, len(scenes)); err != nil {
			return nil, err
		}
	}
	return d.meter.end(d.stack), nil
}

// archive does what order-cleanup does two days later, in its name. Every swap that lived has to be finished by now.
func (d *driver) archive(ctx context.Context, finished int) error {
	url := func(service string) *string { return aws.String(d.stack.AWS.URL(cleaner+"@0", service)) }
	creds := credentials.NewStaticCredentialsProvider("local", "local", "")
	db, err := store.New(dynamodb.New(dynamodb.Options{Region: "us-east-1", BaseEndpoint: url("dynamodb"), Credentials: creds}), store.Tables{
		Orders: d.stack.TableName("Orders"), Actions: d.stack.TableName("Actions"), Journal: d.stack.TableName("Journal"), Jobs: d.stack.TableName("Jobs")}, store.Live)
	if err != nil {
		return err
	}
	objects, err := archive.New(s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: url("s3"), Credentials: creds, UsePathStyle: true}), d.stack.Template.Buckets[0].Name)
	if err != nil {
		return err
	}
	c := cleanup.Cleaner{Orders: db.Closed(), Batches: db.Closed(), Damages: db.Closed(), Bucket: objects, Keep: cleanup.KeepMainnet}
	got, err := c.Run(ctx, time.Now().Add(cleanup.KeepMainnet+time.Hour))
	if err != nil {
		return err
	}
	if got.Archived != finished {
		return fmt.Errorf("%d of %d swaps are finished", got.Archived, finished)
	}
	return nil
}

// stored is about how many bytes lie in tables of the template.
func (d *driver) stored(ctx context.Context, tables ...string) (bytes int, err error) {
	for _, id := range tables {
		pages := dynamodb.NewScanPaginator(d.stack.DynamoDB, &dynamodb.ScanInput{TableName: aws.String(d.stack.TableName(id))})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return 0, err
			}
			for _, item := range page.Items {
				raw, err := json.Marshal(item) // names and values, and some quotes and types: more than DynamoDB counts
				if err != nil {
					return 0, err
				}
				bytes += len(raw) + 100 // what DynamoDB adds for each item
			}
		}
	}
	return bytes, nil
}

// objects are the sizes of those whose keys begin so.
func (d *driver) objects(ctx context.Context, prefix string) (sizes []int64, err error) {
	pages := s3.NewListObjectsV2Paginator(d.stack.S3, &s3.ListObjectsV2Input{Bucket: aws.String(d.stack.Template.Buckets[0].Name), Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			sizes = append(sizes, aws.ToInt64(o.Size))
		}
	}
	return sizes, nil
}

func sum(of []int64) (n int64) {
	for _, v := range of {
		n += v
	}
	return n
}
