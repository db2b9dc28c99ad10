//go:build unix

package layout_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/layform/layform/layout"
	"github.com/layform/layform/layout/validate"
)

// Writers that hold the lock while they reuse old blobs, writers that know of no
// lock, and GC, all at once: nothing that index.json reaches is ever deleted.
func TestGCRacesWriters(t *testing.T) {
	rounds := 250 // four writers: 1,000 races
	if testing.Short() {
		rounds = 50
	}
	dir := t.TempDir()
	putImage(t, open(t, dir, layout.Options{NoSync: true}), "foreign", "foreign")
	stop := make(chan struct{})
	collected := make(chan error, 1)
	go func() {
		s, err := layout.Open(dir, layout.Options{NoSync: true, LockTimeout: time.Hour})
		n := 0
		for err == nil {
			var r layout.GCResult
			r, err = s.GC(context.Background(), layout.GCOptions{MinAge: -1})
			n += len(r.Blobs)
			time.Sleep(time.Millisecond) // let others have the lock
			select {
			case <-stop:
				if n == 0 && err == nil {
					err = errors.New("nothing was ever collected")
				}
				collected <- errors.Join(err, s.Close())
				return
			default:
			}
		}
		collected <- err
	}()
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			if err := race(dir, w, rounds); err != nil {
				t.Errorf("writer %d: %v", w, err)
			}
		})
	}
	writers.Wait()
	close(stop)
	if err := <-collected; err != nil {
		t.Error(err)
	}
	s := inspect(t, dir)
	if found := findings(t, s, validate.Options{}); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// race tags one of a few images again and again, and looks whether it is whole
// each time. The images come and go, so that blobs without a tag are reused.
func race(dir string, w, rounds int) error {
	s, err := layout.Open(dir, layout.Options{NoSync: true})
	if err != nil {
		return err
	}
	defer s.Close()
	rng := rand.New(rand.NewPCG(uint64(w), 7))
	ctx := context.Background()
	for range rounds {
		if err := raceOnce(ctx, s, fmt.Sprint("w", w), fmt.Sprint("seed ", rng.IntN(3))); err != nil {
			return err
		}
	}
	return nil
}

func raceOnce(ctx context.Context, s *layout.Store, tag, seed string) (err error) {
	unlock, err := s.Lock(ctx, layout.Holder{Operation: "apply"}, time.Minute)
	if err != nil {
		return err
	}
	docs := imageDocuments(seed)
	for _, doc := range docs {
		if _, _, err := s.PutBytes(ctx, "x", doc, nil); err != nil {
			return errors.Join(err, unlock())
		}
	}
	desc := imageDescriptor(docs[2])
	desc.Annotations = map[string]string{ocispec.AnnotationRefName: tag}
	_, _, err = s.Swap(ctx, func(x *layout.Index) error { return x.Set(desc) })
	if err := errors.Join(err, unlock()); err != nil {
		return err
	}
	for _, doc := range docs {
		state, err := s.Check(ctx, ocispec.Descriptor{Digest: digest.FromBytes(doc), Size: int64(len(doc))})
		if err != nil || state != layout.Intact {
			return fmt.Errorf("a live blob is %s, %v", state, err)
		}
	}
	return nil
}

// Writers that take the lock for the tag alone are protected by the grace.
func TestGCSparesWritersWithoutLock(t *testing.T) {
	dir := t.TempDir()
	s, gc := open(t, dir, layout.Options{NoSync: true, LockTimeout: time.Hour}), open(t, dir, layout.Options{NoSync: true, LockTimeout: time.Hour})
	done := make(chan error, 1)
	go func() {
		for i := range 100 {
			docs := imageDocuments(fmt.Sprint(i))
			var desc ocispec.Descriptor
			for _, doc := range docs {
				var err error
				if desc, _, err = s.PutBytes(context.Background(), ocispec.MediaTypeImageManifest, doc, nil); err != nil {
					done <- err
					return
				}
			}
			if err := s.Tag(context.Background(), desc, fmt.Sprint("t", i)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		if _, err := gc.GC(t.Context(), layout.GCOptions{}); err != nil {
			var none *layout.NotLayoutError
			if !errors.As(err, &none) { // nothing was written yet
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Millisecond) // let others have the lock
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			if found := findings(t, inspect(t, dir), validate.Options{}); len(found) > 0 {
				t.Errorf("%+v", found)
			}
			return
		default:
		}
	}
}
