package conformance

import (
	"maps"
	"math"
	"testing"
	"time"
)

func bitsOf(value float64) uint64 { return math.Float64bits(value) }

// views are ways to look at the same points: zoomed, panned, at another resolution.
var views = map[string]Query{
	"zoomed in":        {From: noon.Add(-9 * time.Hour), To: noon.Add(-5 * time.Hour)},
	"zoomed out":       {From: noon.Add(-9 * 24 * time.Hour), To: noon.Add(2 * 24 * time.Hour)},
	"panned back":      {From: noon.Add(-36 * time.Hour), To: noon.Add(-6 * time.Hour)},
	"panned on":        {From: noon.Add(-11*time.Hour - 7*time.Minute), To: noon.Add(13 * time.Hour)},
	"moved by a bit":   {From: noon.Add(-24*time.Hour + time.Millisecond), To: noon.Add(time.Millisecond)},
	"at few points":    {MaxDataPoints: 30},
	"the same again":   {},
	"the last instant": {From: noon.Add(-16 * time.Minute), To: noon},
}

// TestSamePointSameVerdict: score and verdict of a point depend on the data and the query's own
// options, bit for bit, never on the range it is looked at in.
func TestSamePointSameVerdict(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	sources := map[string]struct {
		settings Settings
		options  JSON
	}{
		"generator": {generator, JSON{"source": everySeries, "training": "window"}},
		"http-json": {httpJSON(upstream.URL), JSON{"training": "window"}},
		"hourly blocks, short window": {generator, JSON{
			"source": everySeries, "training": "window", "trainingWindow": "2d", "refitInterval": "1h",
			"detector": JSON{"kind": "isolation-forest", "nTrees": 20, "sampleSize": 64},
		}},
		"by contamination": {generator, JSON{
			"source": everySeries, "training": "window",
			"detector": JSON{"kind": "isolation-forest", "contamination": 0.02},
		}},
		"against a rolling window": {generator, JSON{
			"source": everySeries, "training": "window", "detector": JSON{"kind": "mad", "window": "6h"},
		}},
		"from regime to regime": {generator, JSON{
			"source": everySeries, "training": "window", "detector": JSON{"kind": "changepoint"},
		}},
	}
	for source, each := range inOrder(sources) {
		reference := host(t).frames(t, each.settings, Query{JSON: each.options.String()})
		for view, asked := range inOrder(views) {
			t.Run(source+"/"+view, func(t *testing.T) {
				asked.JSON = each.options.String()
				other := host(t).frames(t, each.settings, asked)
				for _, name := range []string{"value", "score", "outlier"} {
					sameBits(t, name, reference.bits(t, name), other.bits(t, name), 1)
				}
			})
		}
	}
}

func TestSameVerdictFromAnotherProcess(t *testing.T) {
	asked := query(JSON{"source": everySeries}, 24*time.Hour)
	one := host(t).frames(t, generator, asked)
	other := launch(t, Options{}).frames(t, generator, asked)
	for _, name := range []string{"value", "score", "outlier"} {
		sameBits(t, name, one.bits(t, name), other.bits(t, name), 4*96)
	}
	if a, b := one.about(t).Fingerprint, other.about(t).Fingerprint; a != b {
		t.Errorf("fingerprints %q and %q", a, b)
	}
}

func TestVisibleRangeTrainingWorks(t *testing.T) {
	series := host(t).frames(t, generator, query(JSON{"training": "visible-range"}, 24*time.Hour)).single(t)
	series.present(t, "score")
	onGrid(t, series, Query{}, 5*time.Minute)
}

// TestNoFlaggedPointIsLostAtFewPoints: an answer thinned to maxDataPoints keeps every flagged
// point, and has no more points than was asked for besides.
func TestNoFlaggedPointIsLostAtFewPoints(t *testing.T) {
	options := JSON{"source": everySeries}
	whole := map[string]map[int64]bool{}
	for _, series := range host(t).frames(t, generator, query(options, 7*24*time.Hour)).series(t) {
		whole[series.Key()] = series.flagged(t)
	}
	if len(whole) != 4 {
		t.Fatalf("%d series, want 4", len(whole))
	}
	for name, points := range inOrder(map[string]int64{"1 point": 1, "10 points": 10, "100 points": 100}) {
		t.Run(name, func(t *testing.T) {
			asked := query(options, 7*24*time.Hour)
			asked.MaxDataPoints = points
			found := 0
			for _, series := range host(t).frames(t, generator, asked).series(t) {
				flagged := series.flagged(t)
				found += len(flagged)
				if !maps.Equal(flagged, whole[series.Key()]) {
					t.Errorf("{%s}: %d points are flagged, of %d in the whole series", series.Key(), len(flagged), len(whole[series.Key()]))
				}
				if most := int(points) + len(flagged); len(series.Times) > most {
					t.Errorf("{%s}: %d points, want at most %d and the %d flagged ones", series.Key(), len(series.Times), points, len(flagged))
				}
			}
			if found == 0 {
				t.Error("nothing was flagged, although the generator places outliers")
			}
		})
	}
}
