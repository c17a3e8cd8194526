package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bridge-me-not/resolver-cron/infra/local/demo"
	"github.com/bridge-me-not/resolver-cron/infra/local/scene"
	"github.com/bridge-me-not/resolver-cron/infra/local/ssmd"
	"github.com/bridge-me-not/resolver-cron/infra/local/stack"
	"github.com/bridge-me-not/resolver-cron/infra/local/template"
	"github.com/bridge-me-not/resolver-cron/shared/settings"
	"github.com/bridge-me-not/resolver-cron/shared/store"
	"github.com/bridge-me-not/resolver-cron/shared/watch/watchtest"
)

// chainsDesk is a desk with all tables.
func chainsDesk(t *testing.T) *desk {
	d := newDesk(t)
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := template.Evaluate(src, template.Options{Pseudo: template.Pseudo("rc", "us-east-1", "000000000000"),
		Resolve: template.Names("us-east-1", "000000000000", func(name string) string { return "http://queue.test/" + name })})
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := doc.Stack()
	if err != nil {
		t.Fatal(err)
	}
	client, err := d.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	prefix := d.env["JOBS_TABLE"] // fresh
	for i, table := range deployed.Tables {
		deployed.Tables[i].Name = prefix + "-" + table.LogicalID
		d.env[strings.ToUpper(table.LogicalID)+"_TABLE"] = deployed.Tables[i].Name
	}
	if err := stack.CreateTables(t.Context(), client, deployed.Tables); err != nil {
		t.Fatal(err)
	}
	d.store, err = store.New(client, store.Tables{Orders: d.env["ORDERS_TABLE"], Actions: d.env["ACTIONS_TABLE"], Journal: d.env["JOURNAL_TABLE"], Jobs: d.env["JOBS_TABLE"]}, store.Live)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) file(content string) string {
	path := filepath.Join(d.TempDir(), "chains.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		d.Fatal(err)
	}
	return path
}

const (
	signer = "0x1111111111111111111111111111111111111111"
	// oneChain is a file with a chain of that id.
	oneChain = `  - id: %d
    name: one
    endpoints: [{ name: a, url: "${RPC_%[1]d}" }, { name: b, url: "${RPC_%[1]d}/second", optional: true }]
    factories: [{ address: "0x3333333333333333333333333333333333333333", family: 1inch-v1 }]
    maxFee: { withdraw: 1, cancel: 1, rescueFunds: 1 }
    takers: [{ address: "` + signer + `", signer: own }]
`
)

func chainsOf(ids ...uint64) string {
	var b strings.Builder
	b.WriteString("signers: [{ name: own, address: \"" + signer + "\", key: \"${SIGNER_KEY}\" }]\nchains:\n")
	for _, id := range ids {
		fmt.Fprintf(&b, oneChain, id)
	}
	return b.String()
}

// Put, looked at, proven, and gone back from; who asks for what open swaps need is
// refused unless it is forced.
func TestChainsFile(t *testing.T) {
	d := chainsDesk(t)
	out, _ := d.ops(exitDone, "chains", "show")
	d.says(out, "in force: the packaged file")
	who := []string{"-by", "anna", "-why", "a second chain", "-offline"}
	put := func(code int, content string, more ...string) (string, string) {
		t.Helper()
		return d.ops(code, append(append([]string{"chains", "put", d.file(content)}, who...), more...)...)
	}
	out, _ = put(exitDone, chainsOf(10, 8453))
	d.says(out, "edition 1 (", "is wanted")
	if strings.Contains(out, "takes the place of") {
		t.Errorf("the first follows nobody's:\n%s", out)
	}
	_, errs := put(exitFailed, "chains: []")
	d.says(errs, "chains: missing")
	prove := func() {
		t.Helper()
		s, err := d.store.Settings().Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if did, err := settings.Prove(t.Context(), d.store.Settings(), s.Wanted().Edition, []uint64{10, 8453}); err != nil || !did {
			t.Fatal(did, err)
		}
	}
	prove()
	o, _ := watchtest.Order(10, 8453)
	if err := d.store.Orders().Save(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	_, errs = put(exitFailed, chainsOf(8453))
	d.says(errs, "-force does so all the same", "chain 10 is left out, and 1 escrow is open there")
	out, _ = d.ops(exitDone, "chains", "show")
	d.says(out, "in force: edition 1 (", "in force  a second chain")
	out, _ = put(exitDone, chainsOf(8453), "-force", "-json")
	var m settings.Move
	if err := json.Unmarshal([]byte(out), &m); err != nil || m.Number != 2 || !m.Forced || m.By != "anna" || !m.At.Equal(t0) {
		t.Errorf("%v\n%s", err, out)
	}
	if err := settings.Refuse(t.Context(), d.store.Settings(), m.Edition, "chain 8453: endpoint a answers for chain 1", t0); err != nil {
		t.Fatal(err)
	}
	out, _ = d.ops(exitDone, "chains", "show")
	d.says(out, "refused", "forced: a second chain", "refused since 2026-03-01 12:00:00Z: chain 8453: endpoint a answers for chain 1")
	out, _ = d.ops(exitDone, "chains", "show", "1")
	if out != chainsOf(10, 8453) {
		t.Errorf("edition 1 is shown as:\n%s", out)
	}
	out, _ = d.ops(exitDone, "chains", "back", "1", "-by", "bob", "-why", "it was better")
	d.says(out, "edition 3 (", "It takes the place of edition 2 (", "put by anna at 2026-03-01 12:00:00Z: a second chain")
	prove()
	out, _ = d.ops(exitDone, "chains", "back", "0", "-by", "bob", "-why", "as deployed")
	d.says(out, "edition 4 (the packaged file) is wanted")
	out, _ = d.ops(exitDone, "chains", "show")
	d.says(out, "packaged", "back to 1: it was better", "wanted")
	out, _ = d.ops(exitDone, "chains", "show", "-json")
	var view chainsView
	if err := json.Unmarshal([]byte(out), &view); err != nil || !view.Pending || view.InForce.Number != 3 || len(view.Moves) != 4 || view.Moves[0].Number != 4 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{exitFailed, "is in the functions' packages", []string{"show", "4"}}, {exitFailed, "not among those remembered", []string{"show", "9"}}, {exitUsage, `have "x"`, []string{"show", "x"}},
		{exitFailed, "edition 9: file does not exist", []string{"back", "9", "-by", "a", "-why", "b"}},
	} {
		_, errs := d.ops(c.code, append([]string{"chains"}, c.args...)...)
		d.says(errs, c.want)
	}
}

// forward passes requests on to an endpoint.
func forward(endpoint string) (http.Handler, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL, r.Out.Host = u, u.Host
	}}, nil
}

// check asks everybody whom the functions will ask, by the stack's own parameters,
// and shows none of them.
func TestChainsFileIsCheckedByTheChains(t *testing.T) {
	w, err := scene.Build(t.Context(), 1_800_000_000, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	d := newDesk(t)
	parameters := ssmd.New()
	server := httptest.NewServer(parameters)
	t.Cleanup(server.Close)
	for name, v := range map[string]string{"AWS_ENDPOINT_URL_SSM": server.URL, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"} {
		t.Setenv(name, v)
	}
	file := string(demo.ChainsFile(w))
	for i, c := range w.Chains {
		to, err := forward(c.Dev.URL())
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2 {
			name := fmt.Sprintf("RPC_%d_%d", i, n)
			proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/planted" {
					http.Error(rw, "who are you?", http.StatusUnauthorized)
					return
				}
				to.ServeHTTP(rw, r)
			}))
			t.Cleanup(proxy.Close)
			parameters.Set("/rc/"+name, proxy.URL+"/planted")
			file = strings.Replace(file, `"`+c.Dev.URL()+`"`, `"${`+name+`}"`, 1)
		}
	}
	path := d.file(file)
	out, _ := d.ops(exitDone, "chains", "check", path, "-parameters", "/rc")
	d.says(out, "2 chains, nothing wrong")
	fail := func(wants ...string) {
		t.Helper()
		_, errs := d.ops(exitFailed, "chains", "check", path, "-parameters", "/rc")
		d.says(errs, wants...)
		if strings.Contains(errs, "planted") {
			t.Errorf("a token is shown:\n%s", errs)
		}
	}
	token := parameters.Value("/rc/RPC_0_0")
	parameters.Set("/rc/RPC_0_0", strings.TrimSuffix(token, "planted")+"planted-wrong")
	out, _ = d.ops(exitDone, "chains", "check", path, "-parameters", "/rc") // the second answers
	d.says(out, "nothing wrong")
	other := parameters.Value("/rc/RPC_1_0")
	parameters.Set("/rc/RPC_0_0", strings.Replace(other, "planted", "planted?2", 1))
	fail(fmt.Sprintf("chain %d: endpoint %s-1 answers for chain %d", w.Chains[0].ID, w.Chains[0].Name, w.Chains[1].ID))
	parameters.Delete("/rc/RPC_0_0")
	fail("chains[0].endpoints[0].url: ${RPC_0_0} has no value")
	parameters.Set("/rc/RPC_0_0", token)
	rogue := strings.Replace(file, w.Chains[1].Families["1inch-v1"].Factory.Hex(), w.Chains[1].Rogue.Factory.Hex(), 1)
	path = d.file(rogue)
	out, _ = d.ops(exitDone, "chains", "check", path, "-parameters", "/rc", "-offline")
	d.says(out, "were not looked at")
	_, errs := d.ops(exitUsage, "chains", "check", path)
	d.says(errs, "-parameters")
	_, errs = d.ops(exitFailed, "chains", "put", d.file(strings.Replace(file, "takers:", "takers: []\n    x:", 1)), "-parameters", "/rc", "-by", "a", "-why", "b")
	d.says(errs, "chains[0].takers: missing", "chains[0].x: unknown field")
	server.Close()
	fail("read parameters below /rc")
}
