package swap

// Case is an order as it stands and what Plan makes of it.
type Case struct {
	State    State
	Decision Decision
}

// Marks returns what the provisional facts say about how far the chain's logs
// have been read: the marks and the facts are stored as one item, so they
// cannot disagree.
func (p Provisional) Marks() (synced, final Block) { return p.To, p.From }
