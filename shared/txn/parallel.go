package txn

import (
	"cmp"
	"sync"
)

// defaultParallel is how many rehearsals or signatures are under way at a time:
// with 30 ms for a signature, a window of 16 takes 60 ms instead of half of a
// block's second, and providers still take the calls.
const defaultParallel = 8

// each does n things, several at a time, and returns when all are done. What one
// of them panics with, each panics with.
func (d *Drainer) each(n int, do func(i int)) {
	limit := min(cmp.Or(d.Parallel, defaultParallel), n)
	if limit <= 1 {
		for i := range n {
			do(i)
		}
		return
	}
	var wg sync.WaitGroup
	var once sync.Once
	var failed any
	next := make(chan int)
	for range limit {
		wg.Go(func() {
			for i := range next {
				func() {
					defer func() {
						if p := recover(); p != nil {
							once.Do(func() { failed = p })
						}
					}()
					do(i)
				}()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if failed != nil {
		panic(failed)
	}
}
