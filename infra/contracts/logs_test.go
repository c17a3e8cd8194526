package contracts_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
)

// compareLogs holds the logs of one emitter against the recorded ones.
func compareLogs(t *testing.T, got []*types.Log, want recordedAction, emitter common.Address) {
	t.Helper()
	var ours []*types.Log
	for _, log := range got {
		if log.Address == emitter {
			ours = append(ours, log)
		}
	}
	if len(ours) != len(want.Logs) {
		t.Fatalf("%d logs of %s, recorded %d", len(ours), emitter, len(want.Logs))
	}
	for i, log := range want.Logs {
		if log.Address != emitter || !slices.Equal(ours[i].Topics, log.Topics) || !bytes.Equal(ours[i].Data, log.Data) {
			t.Errorf("%s:\n got %v %x\nwant %v %x", log.Name, ours[i].Topics, ours[i].Data, log.Topics, []byte(log.Data))
		}
	}
}
