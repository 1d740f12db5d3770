package conformance

import (
	"maps"
	"testing"
	"time"
)

// alerting checks the shape an alert rule needs: a frame a series, with time and one numeric field
// of the given name, labels that tell the series apart, and no nulls.
func alerting(t *testing.T, answer Answer, count int, name string) {
	t.Helper()
	if len(answer) != count {
		t.Fatalf("%d frames, want %d: one a series and nothing else", len(answer), count)
	}
	for _, series := range answer.series(t) {
		if fields := names(series.Frame); len(fields) != 2 || fields[1] != name {
			t.Errorf("fields %q, want time and %s", fields, name)
			continue
		}
		if kind := series.Fields[1].Type(); kind.Nullable() {
			t.Errorf("{%s}: field %s is of type %v, want one without nulls", series.Key(), name, kind)
		}
		if len(series.complete(t, name)) == 0 {
			t.Errorf("{%s} has no rows", series.Key())
		}
		if count > 1 && len(series.Labels) == 0 {
			t.Errorf("frame %q: no labels, although there are %d series", series.Name, count)
		}
	}
	if refs := answer.readable(t).Refs; len(refs) != count {
		t.Errorf("sdata reads %d series, want %d", len(refs), count)
	}
}

func TestAlertHeader(t *testing.T) {
	for _, header := range []string{"FromAlert", "fromalert", "FROMALERT", "Fromalert", "fromAlert", "http_X-Grafana-From-Expr"} {
		t.Run(header, func(t *testing.T) {
			asked := query(JSON{"source": everySeries}, 24*time.Hour)
			alerting(t, host(t).framesWith(t, generator, map[string]string{header: "true"}, asked), 4, "outlier")
		})
	}
}

func TestAlertHeaderThatIsNotTrue(t *testing.T) {
	series := host(t).framesWith(t, generator, map[string]string{"FromAlert": "false"}, Query{}).single(t)
	if !series.has("score") {
		t.Errorf("fields %q, want those of output=all", names(series.Frame))
	}
}

func TestAlertFieldFollowsTheOutput(t *testing.T) {
	for output, name := range inOrder(map[string]string{"all": "outlier", "alert": "outlier", "events": "outlier", "score": "score", "state": "state"}) {
		t.Run(output, func(t *testing.T) {
			asked := query(JSON{"source": everySeries, "output": output}, 24*time.Hour)
			alerting(t, host(t).framesWith(t, generator, map[string]string{"FromAlert": "true"}, asked), 4, name)
		})
	}
}

func TestAlertOutputWithoutTheHeader(t *testing.T) {
	// What expressions of a dashboard use, which sends no such header: the same as an alert gets.
	asked := query(JSON{"source": everySeries, "output": "alert"}, 24*time.Hour)
	plain := host(t).frames(t, generator, asked)
	alerting(t, plain, 4, "outlier")
	alert := host(t).framesWith(t, generator, map[string]string{"FromAlert": "true"}, query(JSON{"source": everySeries}, 24*time.Hour))
	sameBits(t, "outlier", plain.bits(t, "outlier"), alert.bits(t, "outlier"), 4*96)
}

func TestAlertOfAServer(t *testing.T) {
	upstream := startUpstream(t, contract(always(daily), fiveMinutes))
	answer := host(t).framesWith(t, httpJSON(upstream.URL), map[string]string{"FromAlert": "true"}, query(JSON{}, 6*time.Hour))
	alerting(t, answer, 1, "outlier")
}

func TestAlertHasNoNullsInAGap(t *testing.T) {
	upstream := startUpstream(t, contract(func(at time.Time) (float64, bool) { return level(at), at.UTC().Hour() != 9 }, fiveMinutes))
	for _, output := range []string{"all", "score", "state"} {
		t.Run(output, func(t *testing.T) {
			asked := query(JSON{"output": output}, 6*time.Hour)
			answer := host(t).framesWith(t, httpJSON(upstream.URL), map[string]string{"FromAlert": "true"}, asked)
			alerting(t, answer, 1, map[string]string{"all": "outlier", "score": "score", "state": "state"}[output])
		})
	}
}

func TestAlertAndPanelAgree(t *testing.T) {
	asked := query(JSON{"source": everySeries}, 24*time.Hour)
	panel := host(t).frames(t, generator, asked).bits(t, "outlier")
	alert := host(t).framesWith(t, generator, map[string]string{"FromAlert": "true"}, asked).bits(t, "outlier")
	// Alert rules get no nulls: where there is no value, a panel shows a gap and they have no row.
	maps.DeleteFunc(panel, func(_ Instant, bits uint64) bool { return bits == null })
	if !maps.Equal(panel, alert) {
		t.Errorf("the panel has %d verdicts, the alert %d, and not the same", len(panel), len(alert))
	}
}
