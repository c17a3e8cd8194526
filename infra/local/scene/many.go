package scene

import (
	"fmt"

	"github.com/bridge-me-not/resolver-cron/infra/contracts"
	"github.com/bridge-me-not/resolver-cron/infra/local/judge"
)

// Many are swaps that are alike but for their families, and whose src legs may
// be claimed from the same block on. All secrets come out in one block before, or
// none does, and everything is taken back.
// The zero value of a field is of no use but where it says so.
type Many struct {
	Name     string
	Swaps    int
	Families []contracts.Family // in turn; an EOA takes those of one
	Taker    TakerKind
	// Reveal is when the secrets come out (zero: never), and Due from when on src
	// may be claimed, in seconds after the beginning; Room is how many seconds later it
	// may be cancelled instead. All legs have to be there before Reveal: see
	// ManyAtOnce.
	Reveal, Due uint64
	Room        uint32
}

// ManyAtOnce is how many legs of Many are made in a block: few enough for what
// the pool of a node lets an account of ten ether owe. Each block takes two
// seconds at most.
const ManyAtOnce = 50

// Scene makes the swaps.
func (m Many) Scene() *Scene {
	s := &Scene{Name: m.Name}
	var fill, show []Step
	for first := 0; first < m.Swaps; first += ManyAtOnce {
		var filled, opened []Step
		for i := first; i < min(first+ManyAtOnce, m.Swaps); i++ {
			f := m.Families[i%len(m.Families)]
			allowed := bothWithdrawn
			if m.Reveal == 0 {
				allowed = bothCancelled
			}
			sw := (&Swap{Name: fmt.Sprintf("%s %03d", m.Name, i+1), Situation: m.Name, Family: f, Taker: m.Taker, Allowed: []judge.Ends{allowed}}).direct()
			s.Swaps = append(s.Swaps, sw)
			filled, opened = append(filled, m.fill(s, sw)), append(opened, sw.Open(0))
		}
		fill, show = append(fill, together(filled)), append(show, together(opened))
	}
	var reveal []Step
	for _, sw := range s.Swaps {
		reveal = append(reveal, sw.Reveal(m.Reveal))
	}
	s.Steps = append(fill, show...)
	if m.Reveal != 0 {
		s.Steps = append(s.Steps, together(reveal))
	}
	return s
}

// fill makes a src leg whose windows begin and end at the same times as those of
// the others, whichever block it is in.
func (m Many) fill(s *Scene, sw *Swap) Step {
	step := sw.Fill(0)
	send := step.Send
	step.Send = func(w *World, now uint64) ([]Sending, error) {
		due := uint32(s.begin + m.Due - now)
		sw.Windows = contracts.Timelocks{
			SrcWithdrawal: due, SrcPublicWithdrawal: due + m.Room/2, SrcCancellation: due + m.Room, SrcPublicCancellation: due + m.Room + 600,
			DstWithdrawal: 2, DstPublicWithdrawal: 3, DstCancellation: due, // counted from a later block
		}
		return send(w, now)
	}
	return step
}
