package conformance

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// large is a query that keeps a processor busy: 400 days at a step of a minute. Another seed makes
// it another query, so that no cache answers it.
func large(seed, weight int) Query {
	asked := query(JSON{
		"source":   JSON{"kind": "generator", "seed": seed},
		"detector": JSON{"kind": "isolation-forest", "nTrees": min(100*weight, 10_000)},
		"step":     "1m",
	}, 400*24*time.Hour)
	asked.MaxDataPoints = 1000
	return asked
}

func TestLargeQueryIsAnswered(t *testing.T) {
	series := host(t).frames(t, generator, large(0, 1)).single(t)
	if first := series.Times[0]; first.After(noon.Add(-399 * 24 * time.Hour)) {
		t.Errorf("the answer begins at %v, want it to reach back 400 days", first)
	}
}

// TestHealthIsAnsweredWhileQueriesCompute asserts an order, not a speed. While large queries
// compute, health is asked for again and again, with pauses. A plugin that computes where it should
// serve answers health only once a query has ended, so that the queries end during the calls; one
// that does not answers at once, so that they end during the pauses. That a query ends just during
// a short call is chance, so a plugin fails only if most of them do so three times over.
func TestHealthIsAnsweredWhileQueriesCompute(t *testing.T) {
	const (
		queries  = 8
		attempts = 3
		longest  = 10_000 / 100 // the weight of the most trees
	)
	var during int
	for attempt, weight := 0, 1; attempt < attempts; {
		var lasted time.Duration
		during, lasted = endsDuringHealth(t, queries, weight)
		switch {
		case lasted > 500*time.Millisecond && during <= queries/2:
			return
		case lasted > 500*time.Millisecond:
			attempt++
		case weight < longest:
			weight = min(weight*4, longest)
		default:
			t.Fatalf("%d queries of 400 days and 10000 trees took %v; give this test more to do", queries, lasted)
		}
	}
	t.Errorf("%d of %d queries ended while health was being asked for, thrice over: it waits for them", during, queries)
}

// endsDuringHealth asks for health until all queries ended. It says how many of them did so during
// a call, and how long they took.
func endsDuringHealth(t *testing.T, queries, weight int) (during int, lasted time.Duration) {
	t.Helper()
	p := launch(t, Options{})
	ctx := patient(t)
	var ended atomic.Int32
	failures := make(chan error, queries)
	idle, started := cpuTicks(t, p.PID()), time.Now()
	for seed := range queries {
		go func() {
			responses, err := p.Query(ctx, queryRequest(generator, nil, large(seed, weight)))
			if err == nil {
				err = responses["A"].Error
			}
			ended.Add(1)
			failures <- err
		}()
	}
	waitFor(t, Patience, "the queries to compute", func() bool {
		return cpuTicks(t, p.PID()) >= idle+2 || ended.Load() > 0
	})
	for before := ended.Load(); int(before) < queries; before = ended.Load() {
		p.healthy(t)
		during += int(ended.Load() - before)
		time.Sleep(50 * time.Millisecond)
	}
	lasted = time.Since(started)
	for range queries {
		if err := <-failures; err != nil {
			t.Fatalf("a large query failed: %v", err)
		}
	}
	p.Client.Kill()
	return during, lasted
}

// TestCancelledQueryStopsComputing compares processor time, which other work on the machine does
// not change: sixteen queries that are cancelled at once cost less than four that are not.
func TestCancelledQueryStopsComputing(t *testing.T) {
	p := launch(t, Options{})
	weight, cost := 1, 0
	for seed := 100; ; seed++ {
		before := cpuTicks(t, p.PID())
		p.frames(t, generator, large(seed, weight))
		if cost = cpuTicks(t, p.PID()) - before; cost >= 20 {
			break
		}
		if weight == 100 {
			t.Fatalf("a query of 400 days and 10000 trees cost %d ticks; give this test more to do", cost)
		}
		weight = min(weight*4, 100)
	}

	ctx, cancel := context.WithCancel(patient(t))
	before := cpuTicks(t, p.PID())
	results := make(chan error, 16)
	for seed := range cap(results) {
		go func() {
			_, err := p.Query(ctx, queryRequest(generator, nil, large(200+seed, weight)))
			results <- err
		}()
	}
	waitFor(t, Patience, "the queries to compute", func() bool { return cpuTicks(t, p.PID()) >= before+2 })
	cancel()
	for range cap(results) {
		if err := <-results; status.Code(err) != codes.Canceled {
			t.Errorf("a cancelled query ended with: %v", err)
		}
	}
	settle(t, p)
	if spent := cpuTicks(t, p.PID()) - before; spent >= 4*cost {
		t.Errorf("sixteen cancelled queries cost %d ticks, where one that runs to its end costs %d: they go on computing", spent, cost)
	}
	p.healthy(t)
}

// settle waits until the plugin uses no more processor time.
func settle(t *testing.T, p *Plugin) {
	t.Helper()
	last, since := cpuTicks(t, p.PID()), time.Now()
	waitFor(t, Patience, "the plugin to come to rest", func() bool {
		if now := cpuTicks(t, p.PID()); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 300*time.Millisecond
	})
}

func TestCancellationReachesTheUpstream(t *testing.T) {
	upstream, arrived, cancelled := startSilent(t)
	p := host(t)
	ctx, cancel := context.WithCancel(patient(t))
	result := make(chan error, 1)
	go func() {
		_, err := p.Query(ctx, queryRequest(httpJSON(upstream.URL, JSON{"timeout": 600}), nil, Query{}))
		result <- err
	}()
	within(t, arrived, "the upstream to be asked")

	// While the query waits, everything else goes on.
	p.healthy(t)
	p.frames(t, generator, Query{})

	cancel()
	within(t, cancelled, "the upstream to see its request cancelled")
	if err := <-result; status.Code(err) != codes.Canceled {
		t.Errorf("the cancelled query ended with: %v", err)
	}
	p.healthy(t)
	p.frames(t, generator, Query{})
}

func within(t *testing.T, signal <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-signal:
	case <-time.After(Patience):
		t.Fatalf("waited in vain for %s", what)
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	p := host(t)
	results := make(chan error, 64)
	for index := range cap(results) {
		go func() {
			responses, err := p.Query(patient(t), queryRequest(generator, nil, Query{From: noon.Add(-time.Duration(1+index) * time.Hour)}))
			if err == nil {
				err = responses["A"].Error
			}
			if err == nil && len(responses["A"].Frames) == 0 {
				err = fmt.Errorf("request %d has no frames", index)
			}
			results <- err
		}()
	}
	for range cap(results) {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}
