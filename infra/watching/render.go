package watching

func (w *Watching) Render(rec Record) (map[string][]byte, error) { return nil, nil }
