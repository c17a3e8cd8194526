package snapshot

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/bridge-me-not/resolver-cron/shared/swap"
	"github.com/bridge-me-not/resolver-cron/shared/txn"
	"github.com/ethereum/go-ethereum/common"
)

// Schema is the version of what this program writes. It reads this one alone:
// there has been no other.
const Schema = 1

const (
	// maxData bounds a snapshot, compressed: some 45,000 open swaps. It is in memory
	// twice, as it is written, with as much again that a growing buffer reserves, and
	// as it is read back, and has to fit into the function's 256 MB.
	maxData = 32 << 20
	// maxManifest bounds a manifest.
	maxManifest = 1 << 20
	// maxLine bounds one record: the facts of a chain are the largest, and the
	// store holds 32 MB of them.
	maxLine = 48 << 20
	// maxContent bounds what a snapshot may unpack to.
	maxContent = 4 << 30
)

// Record is one line of a snapshot: exactly one field is set.
type Record struct {
	Begin   *Begin            `json:"snapshot,omitempty"` // the first line
	Chain   *swap.Provisional `json:"chain,omitempty"`
	Parked  *swap.DstCreated  `json:"parked,omitempty"`
	Order   *swap.Order       `json:"order,omitempty"`
	Work    *swap.Work        `json:"work,omitempty"`
	Account *Account          `json:"account,omitempty"`
	Entry   *txn.Entry        `json:"entry,omitempty"`
	Control *Item             `json:"control,omitempty"`
	End     *Counts           `json:"end,omitempty"` // the last line
}

// Begin says what follows.
type Begin struct {
	Schema int       `json:"schema"`
	Mode   string    `json:"mode"` // of the work and the journal: live or shadow
	Taken  time.Time `json:"taken"`
}

// Account is the next nonce of an account: the highest ever journalled plus one.
type Account struct {
	txn.Account
	Next uint64 `json:"next"`
}

// Item is an item of the control flags as it is stored. Its content belongs to
// whoever sets the flags.
type Item struct {
	Key  string          `json:"key"` // its sort key
	Item json.RawMessage `json:"item"`
}

// Counts are the numbers of records.
type Counts struct {
	Chains   int `json:"chains"`
	Parked   int `json:"parked"`
	Orders   int `json:"orders"`
	Works    int `json:"works"`
	Accounts int `json:"accounts"`
	Entries  int `json:"entries"`
	Controls int `json:"controls"`
	// Withheld are the entries that are left out because their bytes hold a
	// secret that is not public.
	Withheld int `json:"withheld"`
}

// Manifest describes a snapshot. It stands beside the data, and the newest one
// is the pointer.
type Manifest struct {
	Schema int       `json:"schema"`
	Mode   string    `json:"mode"`
	Taken  time.Time `json:"taken"`
	Key    string    `json:"key"`    // of the data
	Size   int64     `json:"size"`   // of the data, in bytes
	SHA256 string    `json:"sha256"` // of the data
	// Content is the checksum of what counts as a change.
	Content string    `json:"content"`
	Counts  Counts    `json:"counts"`
	Chains  []Marks   `json:"chains"`
	Nonces  []Account `json:"nonces"`
}

// Marks are how far a chain had been read.
type Marks struct {
	ChainID uint64     `json:"chain"`
	Final   swap.Block `json:"final"`
	Seen    swap.Block `json:"seen"`
	// Done: its history had been read once.
	Done bool `json:"done,omitempty"`
}

// writer writes a snapshot.
type writer struct {
	data    bytes.Buffer
	zip     *gzip.Writer
	content hash.Hash
	counts  Counts
	chains  []Marks
	nonces  []Account
	public  map[[32]byte]bool // secrets that anybody can know
	orders  map[swap.OrderID]bool
	read    int   // orders that were read from the tables
	untold  error // that nothing was wrong could not be told
}

func newWriter() *writer {
	w := &writer{content: sha256.New(), public: map[[32]byte]bool{}, orders: map[swap.OrderID]bool{}}
	w.zip = gzip.NewWriter(&w.data)
	return w
}

// write appends a record. Marks are no change: they move with each block.
func (w *writer) write(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode a record: %w", err)
	}
	if len(line) > maxLine {
		return fmt.Errorf("a record of %d bytes, at most %d", len(line), maxLine)
	}
	same := line
	if r.Chain != nil {
		still := *r.Chain
		still.From, still.To, still.Sync.Trail, still.Sync.Revision = swap.Block{}, swap.Block{}, swap.Block{}, 0
		if same, err = json.Marshal(&still); err != nil {
			return fmt.Errorf("encode a chain: %w", err)
		}
	}
	if r.Begin == nil {
		w.content.Write(same) // never fails
	}
	w.counts.add(r)
	if _, err := w.zip.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("compress a record: %w", err)
	}
	if w.data.Len() > maxData {
		return fmt.Errorf("more than %d bytes compressed", maxData)
	}
	return nil
}

// close ends the data and describes it.
func (w *writer) close(b Begin, key func(sum string) string) (Manifest, error) {
	counts := w.counts
	if err := w.write(Record{End: &counts}); err != nil {
		return Manifest{}, err
	}
	if err := w.zip.Close(); err != nil {
		return Manifest{}, fmt.Errorf("compress: %w", err)
	}
	sum := sha256.Sum256(w.data.Bytes())
	m := Manifest{Schema: b.Schema, Mode: b.Mode, Taken: b.Taken, Size: int64(w.data.Len()), SHA256: hex.EncodeToString(sum[:]),
		Content: hex.EncodeToString(w.content.Sum(nil)), Counts: counts, Chains: w.chains, Nonces: w.nonces}
	m.Key = key(m.SHA256)
	return m, nil
}

func (c *Counts) add(r Record) {
	switch {
	case r.Chain != nil:
		c.Chains++
	case r.Parked != nil:
		c.Parked++
	case r.Order != nil:
		c.Orders++
	case r.Work != nil:
		c.Works++
	case r.Account != nil:
		c.Accounts++
	case r.Entry != nil:
		c.Entries++
	case r.Control != nil:
		c.Controls++
	}
}

// read reads a line, and refuses one with more in it than this program knows: what
// it left out could be what a plan hangs on.
func (r *Record) read(line []byte) error {
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	if err := in.Decode(r); err != nil {
		if strings.Contains(err.Error(), "unknown field") { // encoding/json has no type for it
			err = fmt.Errorf("%w: use the release that wrote it, or a later one", err)
		}
		return err
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the record")
	}
	return nil
}

// check refuses a record that is none, or whose keys cannot be.
func (r Record) check() error {
	n := 0
	for _, there := range []bool{r.Begin != nil, r.Chain != nil, r.Parked != nil, r.Order != nil, r.Work != nil, r.Account != nil,
		r.Entry != nil, r.Control != nil, r.End != nil} {
		if there {
			n++
		}
	}
	switch {
	case n != 1:
		return fmt.Errorf("%d records in one", n)
	case r.Chain != nil && r.Chain.ChainID == 0:
		return errors.New("a chain without a number")
	case r.Parked != nil && (r.Parked.ChainID == 0 || r.Parked.Escrow == (common.Address{})):
		return errors.New("something parked without a chain or an address")
	case r.Order != nil && (r.Order.Version == 0 || r.Order.Closed || r.Order.ID.ChainID == 0 ||
		r.Order.ID != swap.OrderID{ChainID: r.Order.Src.ChainID, Escrow: r.Order.Src.Escrow}):
		return fmt.Errorf("order %s with version %d, closed %t", r.Order.ID, r.Order.Version, r.Order.Closed)
	case r.Work != nil && (r.Work.Version == 0 || !r.Work.State.Live() || r.Work.ChainID == 0):
		return fmt.Errorf("work %s with version %d, %q", r.Work.Key(), r.Work.Version, r.Work.State)
	case r.Account != nil && r.Account.ChainID == 0:
		return errors.New("an account without a chain")
	case r.Entry != nil && (r.Entry.Version == 0 || r.Entry.ChainID == 0 || len(r.Entry.Txs) == 0 ||
		r.Entry.State != txn.Open && r.Entry.State != txn.Mined && r.Entry.State != txn.Foreign):
		return fmt.Errorf("entry of nonce %d of %s with version %d, %q", r.Entry.Nonce, r.Entry.Signer, r.Entry.Version, r.Entry.State)
	case r.Control != nil && (r.Control.Key == "" || !json.Valid(r.Control.Item)):
		return errors.New("a control flag without a key or content")
	}
	return nil
}

// decode reads the data of a snapshot. The error is the last thing it yields:
// what came before is of no use then.
func decode(data []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		zip, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			yield(Record{}, fmt.Errorf("damaged: %w", err))
			return
		}
		in := bufio.NewScanner(io.LimitReader(zip, maxContent))
		in.Buffer(make([]byte, 0, 64<<10), maxLine+1)
		line, ended := 0, false
		var counts Counts
		for in.Scan() {
			line++
			var r Record
			err := r.read(in.Bytes())
			if err == nil {
				err = r.check()
			}
			switch {
			case err != nil:
			case line == 1 != (r.Begin != nil):
				err = errors.New("it does not begin with what it is")
			case r.Begin != nil && r.Begin.Schema != Schema:
				err = wrongSchema(r.Begin.Schema)
			case ended:
				err = errors.New("something follows its end")
			case r.End != nil:
				if ended = true; !r.End.same(counts) {
					err = fmt.Errorf("it holds %+v and says %+v", counts, *r.End)
				}
			default:
				counts.add(r)
			}
			if err != nil && in.Err() != nil {
				break // the line was cut
			}
			if err != nil {
				yield(Record{}, fmt.Errorf("line %d: %w", line, err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		switch err := in.Err(); {
		case errors.Is(err, io.ErrUnexpectedEOF):
			yield(Record{}, fmt.Errorf("truncated after line %d: %w", line, err))
		case err != nil:
			yield(Record{}, fmt.Errorf("damaged after line %d: %w", line, err))
		case !ended:
			yield(Record{}, fmt.Errorf("truncated after line %d: %w", line, io.ErrUnexpectedEOF))
		}
	}
}

// same compares what can be counted: what was withheld is not there.
func (c Counts) same(o Counts) bool {
	c.Withheld, o.Withheld = 0, 0
	return c == o
}

func wrongSchema(v int) error {
	if v > Schema {
		return fmt.Errorf("schema version %d, and this program reads up to %d: use the release that wrote it, or a later one", v, Schema)
	}
	return fmt.Errorf("schema version %d, and this program reads %d", v, Schema)
}

// readManifest reads a manifest and refuses what it cannot stand for.
func readManifest(body []byte) (m Manifest, err error) {
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("%w: %w", errDamaged, err)
	}
	sum, err := hex.DecodeString(m.SHA256)
	switch {
	case m.Schema != Schema:
		return m, wrongSchema(m.Schema)
	case err != nil || len(sum) != sha256.Size:
		return m, fmt.Errorf("%w: sha256 %q", errDamaged, m.SHA256)
	case m.Key == "" || m.Taken.IsZero():
		return m, fmt.Errorf("%w: no key or no time", errDamaged)
	case m.Size <= 0 || m.Size > maxData:
		return m, fmt.Errorf("%w: size %d", errDamaged, m.Size)
	}
	return m, nil
}

var errDamaged = errors.New("manifest is damaged")

// verify compares data with its manifest, byte by byte and record by record.
func (m Manifest) verify(data []byte) error {
	if int64(len(data)) != m.Size {
		return fmt.Errorf("snapshot %s: %d bytes, its manifest says %d", m.Key, len(data), m.Size)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != m.SHA256 {
		return fmt.Errorf("snapshot %s: checksum %x, its manifest says %s", m.Key, sum, m.SHA256)
	}
	var counts Counts
	for r, err := range decode(data) {
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", m.Key, err)
		}
		counts.add(r)
		if r.Begin != nil && (r.Begin.Mode != m.Mode || !r.Begin.Taken.Equal(m.Taken)) {
			return fmt.Errorf("snapshot %s: it is of mode %s at %s, its manifest says %s at %s", m.Key, r.Begin.Mode, r.Begin.Taken, m.Mode, m.Taken)
		}
	}
	if !counts.same(m.Counts) {
		return fmt.Errorf("snapshot %s: it holds %+v, its manifest says %+v", m.Key, counts, m.Counts)
	}
	return nil
}
