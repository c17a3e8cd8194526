// Command render draws the dashboards from the log of a demonstration, so that they can be looked at without an account:
//
//	go run ./infra/local demo
//	go run ./infra/watching/render           writes .local/overview.html and so on
//	go run ./infra/watching/render -record   writes what was emitted to infra/watching/testdata/emitted.json
//
// Run it in the root of the repository. It shows what a demonstration has: the product's own metrics and log lines, and
// of AWS's metrics those of invocations, taken from the lines that runs end with.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bridge-me-not/resolver-cron/infra/watching"
)

func main() {
	log := flag.String("log", filepath.Join(".local", "demo.log"), "the log of a demonstration")
	profile := flag.String("profile", "test", "profile of the template, which sets the thresholds")
	record := flag.Bool("record", false, "write what was emitted to infra/watching/testdata/emitted.json, and draw nothing")
	flag.Parse()
	if err := run(*log, *profile, *record); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(log, profile string, record bool) error {
	f, err := os.Open(log)
	if err != nil {
		return err
	}
	defer f.Close()
	rec, err := watching.ReadLog(f)
	if err != nil {
		return fmt.Errorf("%s: %w", log, err)
	}
	if record {
		text, err := json.MarshalIndent(rec.Emitted, "", "\t")
		if err != nil {
			return err
		}
		return write(filepath.Join("infra", "watching", "testdata", "emitted.json"), append(text, '\n'))
	}
	w, err := watching.Read(".", profile)
	if err != nil {
		return err
	}
	pages, err := w.Render(rec)
	if err != nil {
		return err
	}
	for name, page := range pages {
		if err := write(filepath.Join(".local", name), page); err != nil {
			return err
		}
	}
	return nil
}

func write(path string, text []byte) error {
	fmt.Println(path)
	return os.WriteFile(path, text, 0o644)
}
