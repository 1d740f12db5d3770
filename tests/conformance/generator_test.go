package conformance

import (
	"slices"
	"testing"
	"time"
)

func oneSeries(name string, more JSON) JSON {
	source := JSON{"kind": "generator", "series": []string{name}}
	for key, value := range more {
		source[key] = value
	}
	return JSON{"source": source}
}

// wild asks for the median series, of which one point in twenty is an outlier, and for a detector
// that does not get used to so many.
func wild(more JSON) JSON {
	options := oneSeries("median", more)
	options["detector"] = JSON{"kind": "isolation-forest"}
	return options
}

func TestGeneratorTellsTheTruthWhenAsked(t *testing.T) {
	series := host(t).frames(t, generator, query(oneSeries("median", JSON{"truth": true}), 7*24*time.Hour)).single(t)
	fields := names(series.Frame)
	if fields[len(fields)-1] != "truth" {
		t.Fatalf("fields %q, want truth last", fields)
	}
	outliers := 0
	for index, truth := range series.complete(t, "truth") {
		if truth != 0 && truth != 1 {
			t.Fatalf("truth is %v at %v, want 0 or 1", truth, series.Times[index])
		}
		outliers += int(truth)
	}
	// Of 672 points 5 % are outliers: 34, give or take four standard deviations.
	if outliers < 11 || outliers > 57 {
		t.Errorf("%d of %d points are true outliers, want about 5 %%", outliers, len(series.Times))
	}
}

func TestGeneratorWithoutOutliers(t *testing.T) {
	series := host(t).frames(t, generator, query(oneSeries("median", JSON{"truth": true, "outlierShare": 0}), 24*time.Hour)).single(t)
	if truth := series.complete(t, "truth"); slices.Contains(truth, 1) {
		t.Error("true outliers, although outlierShare is 0")
	}
}

func TestGeneratorMedianAndSpread(t *testing.T) {
	options := oneSeries("median", JSON{"median": 1000, "err": 1, "outlierShare": 0})
	values := host(t).frames(t, generator, query(options, 24*time.Hour)).single(t).complete(t, "value")
	slices.Sort(values)
	if middle := values[len(values)/2]; middle < 999 || middle > 1001 {
		t.Errorf("the median is %v, want about 1000", middle)
	}
}

func TestGeneratorIsSeeded(t *testing.T) {
	values := func(source JSON) map[Instant]uint64 {
		return host(t).frames(t, generator, query(source, 24*time.Hour)).bits(t, "value")
	}
	for _, name := range []string{"median", "sine", "cosine", "web-traffic"} {
		t.Run(name, func(t *testing.T) {
			first := values(oneSeries(name, JSON{"seed": 1}))
			sameBits(t, "value", first, values(oneSeries(name, JSON{"seed": 1})), 96)
			different := 0
			for instant, bits := range values(oneSeries(name, JSON{"seed": 2})) {
				if first[instant] != bits {
					different++
				}
			}
			if different == 0 {
				t.Error("another seed gives the same values")
			}
		})
	}
}

func TestGeneratorPeriod(t *testing.T) {
	// Values repeat up to their noise, so the extremes of a sine of a period of 2 h lie within any 2 h.
	options := oneSeries("sine", JSON{"period": "2h", "outlierShare": 0})
	options["step"] = "1m"
	values := host(t).frames(t, generator, query(options, 4*time.Hour)).single(t).complete(t, "value")
	half := len(values) / 2
	first, second := slices.Max(values[:half])-slices.Min(values[:half]), slices.Max(values[half:])-slices.Min(values[half:])
	if first <= 0 || second < first/2 || second > first*2 {
		t.Errorf("the values span %v in the first period and %v in the second, want about the same", first, second)
	}
}

func TestGeneratorSeriesKeepTheirOrderAndLabels(t *testing.T) {
	// A series is the same alone and among others.
	options := oneSeries("sine", nil)
	options["step"] = "15m"
	alone := host(t).frames(t, generator, query(options, 24*time.Hour)).single(t)
	options["source"] = everySeries
	for _, series := range host(t).frames(t, generator, query(options, 24*time.Hour)).series(t) {
		if series.Key() == alone.Key() {
			if !slices.Equal(series.complete(t, "value"), alone.complete(t, "value")) {
				t.Error("sine has other values beside the other series")
			}
			return
		}
	}
	t.Errorf("no series with the labels {%s} of sine alone", alone.Key())
}
