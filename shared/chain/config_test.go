package chain

import (
	"strings"
	"testing"
)

func TestNewReportsEveryProblem(t *testing.T) {
	t.Parallel()
	good := Endpoint{Name: "a", URL: "https://node.example.org/key"}
	_, err := New([]Config{
		{ID: 1, Endpoints: []Endpoint{good}},
		{ID: 1, Endpoints: []Endpoint{good, good}, AddressChunk: 1001},
		{BlockTime: -1, Timeout: -1},
		{ID: 2, Endpoints: []Endpoint{{URL: "ftp://node.example.org/" + testToken}}, AddressChunk: -1},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"chains[1]: id: 1 appears twice", `endpoints[1].name: "a" appears twice`, "addressChunk: 1001 is not between 1 and 1000",
		"chains[2]: id: missing", "blockTime: -1ns is negative", "timeout: -1ns is negative", "endpoints: none",
		"chains[3]: addressChunk: -1", "endpoints[0].name: missing", "endpoints[0].url: not an http or https URL",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), testToken) {
		t.Errorf("token shown: %v", err)
	}
}

func TestZeroConfigHasDefaults(t *testing.T) {
	t.Parallel()
	c, err := New([]Config{{ID: 7, Endpoints: []Endpoint{{Name: "a", URL: "http://node.example.org"}}}})
	if err != nil {
		t.Fatal(err)
	}
	ch, err := c.chain(7)
	if err != nil {
		t.Fatal(err)
	}
	if ch.LogSpan != 1000 || ch.AddressChunk != 1000 || ch.BlockTime != defaultBlockTime || ch.Timeout != defaultTimeout {
		t.Errorf("defaults: %+v", ch.Config)
	}
	if _, err := c.chain(8); err == nil {
		t.Error("chain 8 found")
	}
}
