package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// greeting is what an upstream answers to GET /.
const greeting = "conformance upstream at your service"

// Upstream is a server for the plugin to query. It keeps what it was asked.
type Upstream struct {
	*httptest.Server

	mutex    sync.Mutex
	requests []Asked
}

// Asked is one request an upstream received.
type Asked struct {
	Method, Path string
	Parameters   url.Values
	Header       http.Header
	Body         string
}

// record wraps a handler so that the upstream keeps what it was asked.
func (u *Upstream) record(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		u.mutex.Lock()
		u.requests = append(u.requests, Asked{r.Method, r.URL.EscapedPath(), r.URL.Query(), r.Header.Clone(), string(body)})
		u.mutex.Unlock()
		handler.ServeHTTP(w, r)
	})
}

// asked are the requests so far.
func (u *Upstream) asked() []Asked {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return append([]Asked(nil), u.requests...)
}

// lastAsked is the newest request of a path.
func (u *Upstream) lastAsked(t *testing.T, path string) Asked {
	t.Helper()
	all := u.asked()
	for index := len(all) - 1; index >= 0; index-- {
		if all[index].Path == path {
			return all[index]
		}
	}
	t.Fatalf("the upstream was not asked for %s, but for %+v", path, all)
	return Asked{}
}

func startUpstream(t *testing.T, handler http.Handler) *Upstream {
	t.Helper()
	u := &Upstream{}
	for {
		u.Server = httptest.NewServer(u.record(handler))
		t.Cleanup(u.Close)
		// The shared plugin remembers what a URL has answered, and the system may give a port out again.
		if _, used := usedURLs.LoadOrStore(u.URL, true); !used {
			return u
		}
	}
}

// usedURLs are those of all upstreams so far.
var usedURLs sync.Map

// startSilent is an upstream that never answers. Each of its requests sends on arrived, and on
// cancelled when the plugin gave up on it.
func startSilent(t *testing.T) (u *Upstream, arrived, cancelled chan struct{}) {
	t.Helper()
	arrived, cancelled = make(chan struct{}, 16), make(chan struct{}, 16)
	release := make(chan struct{})
	u = startUpstream(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		select {
		case <-r.Context().Done():
			cancelled <- struct{}{}
		case <-release:
		}
	}))
	t.Cleanup(func() { close(release) })
	return u, arrived, cancelled
}

// Signal is the value of a series at a time, or false where it has none.
type Signal func(time.Time) (float64, bool)

// always is a signal without gaps.
func always(value func(time.Time) float64) Signal {
	return func(at time.Time) (float64, bool) { return value(at), true }
}

// Sampling writes one row: a time and a value, nil for null.
type Sampling func(at time.Time, value *float64) any

// pair is a row of the default contract: [milliseconds, value].
func pair(at time.Time, value *float64) any { return []any{at.UnixMilli(), value} }

// contract serves a signal as the http-json source's defaults want it: GET / greets, GET /query
// has from and to in milliseconds and answers {"query_response": [[ms, value], …]}.
func contract(signal Signal, step time.Duration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, greeting)
		fmt.Fprintln(w, "second line")
	})
	mux.HandleFunc("GET /query", func(w http.ResponseWriter, r *http.Request) {
		from, to, err := span(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, JSON{"query_response": rows(signal, step, from, to, pair)})
	})
	return mux
}

// answer writes a JSON body.
func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// span reads from and to, milliseconds since the epoch.
func span(parameters url.Values) (from, to time.Time, err error) {
	if from, err = milliseconds(parameters.Get("from")); err != nil {
		return from, to, fmt.Errorf("from: %w", err)
	}
	if to, err = milliseconds(parameters.Get("to")); err != nil {
		return from, to, fmt.Errorf("to: %w", err)
	}
	return from, to, nil
}

func milliseconds(text string) (time.Time, error) {
	number, err := strconv.ParseInt(text, 10, 64)
	return time.UnixMilli(number).UTC(), err
}

// rows samples a signal on the grid of a step, from and to included.
func rows(signal Signal, step time.Duration, from, to time.Time, sampling Sampling) []any {
	result := []any{}
	for at := from.Add(step - 1).Truncate(step); !at.After(to); at = at.Add(step) {
		if value, present := signal(at); present {
			result = append(result, sampling(at, &value))
		}
	}
	return result
}

// hash scatters an integer over 64 bits (the finaliser of SplitMix64).
func hash(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// noise is uniform in [-1, 1), the same for the same time and salt.
func noise(at time.Time, salt uint64) float64 {
	return float64(hash(uint64(at.UnixMilli())^salt<<48)>>11)/(1<<52) - 1
}

// daily is an ordinary signal: a day's rhythm with a little noise. Its values use all 53 bits, so
// that a value that was rounded on its way is seen.
func daily(at time.Time) float64 {
	day := float64(at.UnixMilli()%86_400_000) / 86_400_000
	return 100 + 20*math.Sin(2*math.Pi*day) + 2*noise(at, 1)
}

// level is a signal around 100 with noise of ±5.
func level(at time.Time) float64 { return 100 + 5*noise(at, 2) }
