package conformance

import (
	"testing"
	"time"
)

// TestForecastInTheFuture: a range that ends in the future shows where the values to come are
// expected, and nothing else there.
func TestForecastInTheFuture(t *testing.T) {
	now := time.Now()
	end := now.Add(6 * time.Hour)
	upstream := startUpstream(t, contract(func(at time.Time) (float64, bool) { return daily(at), !at.After(now) }, fiveMinutes))
	asked := func(output string) Query {
		options := JSON{"detector": JSON{"kind": "seasonal"}, "output": output}
		return Query{JSON: options.String(), From: now.Add(-12 * time.Hour), To: end}
	}
	series := host(t).frames(t, httpJSON(upstream.URL), asked("all")).single(t)

	last := now.Truncate(fiveMinutes)
	want := last.Add(fiveMinutes)
	inside := 0
	expected, lower, upper := series.numbers(t, "expected"), series.numbers(t, "lower"), series.numbers(t, "upper")
	for index, at := range series.Times {
		if !at.After(last) {
			continue
		}
		if !at.Equal(want) {
			t.Fatalf("a forecast at %v, want the next at %v", at, want)
		}
		want = want.Add(fiveMinutes)
		for _, name := range []string{"value", "anomaly", "outlier", "score"} {
			if cell := series.numbers(t, name)[index]; cell != nil {
				t.Fatalf("%s is %v at %v, which is yet to come", name, *cell, at)
			}
		}
		if expected[index] == nil || lower[index] == nil || upper[index] == nil {
			t.Fatalf("no expected value or band at %v, now is %v", at, now)
		}
		if *lower[index] < daily(at) && daily(at) < *upper[index] {
			inside++
		}
	}
	if !want.After(end) {
		t.Fatalf("the forecast ends before %v, the range at %v", want, end)
	}
	if inside < 70 {
		t.Errorf("%d of the 72 values to come lie within the band", inside)
	}

	// An alert rule asks for the outputs of an expression, and gets the judged points alone.
	headers := map[string]string{"FromAlert": "true"}
	for name, answer := range map[string]Answer{
		"state": host(t).frames(t, httpJSON(upstream.URL), asked("state")),
		"score": host(t).frames(t, httpJSON(upstream.URL), asked("score")),
		"alert": host(t).framesWith(t, httpJSON(upstream.URL), headers, asked("all")),
	} {
		times := answer.single(t).Times
		if latest := times[len(times)-1]; !latest.Equal(last) {
			t.Errorf("output %s ends at %v, want %v", name, latest, last)
		}
	}
}
