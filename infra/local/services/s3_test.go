package services

import (
	"net/http"
	"testing"
)

func TestS3RunsInsideThisProcess(t *testing.T) {
	s, err := StartS3()
	if err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		return answer.Body.Close()
	}
	if err := ask(); err != nil || s.PID() != 0 || s.Err() != nil {
		t.Errorf("%v, process %d, %v", err, s.PID(), s.Err())
	}
	for range 2 {
		s.Stop()
	}
	select {
	case <-s.Done():
	default:
		t.Error("not done after Stop")
	}
	if err := ask(); err == nil || s.Err() != nil {
		t.Errorf("it answers after Stop, or ended badly: %v", s.Err())
	}
}
