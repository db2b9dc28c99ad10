package remote_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/layform/layform/layout/remote"
)

// TestPushFromHoldsBack: of content whose reader finds at its end that it is not what it
// should be, a registry never gets all.
func TestPushFromHoldsBack(t *testing.T) {
	got := make(chan int64, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Location", "/v2/app/blobs/uploads/1")
			w.WriteHeader(http.StatusAccepted)
			return
		}
		n, err := io.Copy(io.Discard, r.Body)
		got <- n
		if err == nil {
			w.WriteHeader(http.StatusCreated)
		}
	}))
	defer server.Close()
	r, err := remote.Open(strings.TrimPrefix(server.URL, "http://")+"/app", remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	layer := layerOf(layerData)
	torn := errors.New("it is torn")
	whole := func() io.Reader { return bytes.NewReader(layerData) }
	for name, reader := range map[string]func() io.Reader{
		"after the last byte": func() io.Reader { return io.MultiReader(whole(), iotest.ErrReader(torn)) },
		"with the last byte":  func() io.Reader { return iotest.DataErrReader(io.MultiReader(whole(), iotest.ErrReader(torn))) },
		"byte by byte":        func() io.Reader { return iotest.OneByteReader(io.MultiReader(whole(), iotest.ErrReader(torn))) },
	} {
		_, err := r.PushFrom(t.Context(), layer, func() (io.ReadCloser, error) { return io.NopCloser(reader()), nil }, "")
		if !errors.Is(err, torn) {
			t.Errorf("%s: %v", name, err)
		}
		if n := <-got; n >= layer.Size {
			t.Errorf("%s: the registry got all %d bytes", name, n)
		}
	}
	how, err := r.PushFrom(t.Context(), layer, func() (io.ReadCloser, error) { return io.NopCloser(whole()), nil }, "")
	if n := <-got; err != nil || how != remote.Uploaded || n != layer.Size {
		t.Errorf("good content: %q, %d bytes, %v", how, n, err)
	}
}
