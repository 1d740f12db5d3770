package conformance

import (
	"slices"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// everySeries asks the generator for all it has.
var everySeries = JSON{"kind": "generator", "series": []string{"median", "sine", "cosine", "web-traffic"}}

// fieldsOfAll are the fields of output=all in order; those marked true may be missing.
var fieldsOfAll = []struct {
	name     string
	optional bool
}{
	{"time", false}, {"value", false}, {"expected", true}, {"lower", true}, {"upper", true},
	{"anomaly", false}, {"outlier", false}, {"score", false}, {"truth", true},
}

func TestEmptyQueryWorks(t *testing.T) {
	answer := host(t).frames(t, generator, Query{JSON: `{}`})
	series := answer.single(t)
	if about := answer.about(t); about.Source != "generator" || about.Detector != "auto" || about.StepMs != (5*time.Minute).Milliseconds() {
		t.Errorf("answered by %s, %s at a step of %d ms, want the generator, auto, 5 minutes", about.Source, about.Detector, about.StepMs)
	}
	onGrid(t, series, Query{}, 5*time.Minute)
}

// onGrid checks that the times are all the multiples of a step within a query's range; the range's
// end may be left out.
func onGrid(t *testing.T, series Series, query Query, step time.Duration) {
	t.Helper()
	span := query.proto().TimeRange
	from, to := time.UnixMilli(span.FromEpochMS), time.UnixMilli(span.ToEpochMS)
	next := from.Add(step - 1).Truncate(step)
	for _, at := range series.Times {
		if !at.Equal(next) {
			t.Fatalf("a point at %v, want the next at %v", at, next.UTC())
		}
		next = next.Add(step)
	}
	if next.Before(to) {
		t.Fatalf("no point at %v, although the range reaches to %v", next.UTC(), to.UTC())
	}
	if next.Add(-step).After(to) {
		t.Fatalf("a point at %v, after the range's end %v", next.Add(-step).UTC(), to.UTC())
	}
}

func TestQueryMayCarryWhatGrafanaAdds(t *testing.T) {
	json := `{"refId":"A","datasource":{"type":"` + PluginID + `","uid":"conformance"},"hide":false,"key":"Q-1","intervalMs":1000,"maxDataPoints":500,"queryType":"","datasourceId":7,"timeRange":{"from":"1"},"version":1}`
	host(t).frames(t, generator, Query{JSON: json}).single(t)
}

func TestFieldsOfAll(t *testing.T) {
	answer := host(t).frames(t, generator, query(JSON{"source": everySeries}, 7*24*time.Hour))
	all := answer.series(t)
	if len(all) != 4 {
		t.Fatalf("%d series, want 4", len(all))
	}
	for _, series := range all {
		t.Run(series.Key(), func(t *testing.T) {
			var want []string
			for _, field := range fieldsOfAll {
				if !field.optional || series.has(field.name) {
					want = append(want, field.name)
				}
			}
			if got := names(series.Frame); !slices.Equal(got, want) {
				t.Errorf("fields %q, want %q", got, want)
			}
			for _, name := range []string{"value", "score", "anomaly"} {
				if kind := field(t, series.Frame, name).Type(); kind.NonNullableType() != data.FieldTypeFloat64 {
					t.Errorf("field %q is of type %v, want float64", name, kind)
				}
			}
			for _, each := range series.Fields[1:] {
				values, _ := series.present(t, each.Name)
				if each.Type().Nullable() && each.Name != "anomaly" && len(values) == len(series.Times) {
					t.Errorf("field %q is of type %v, but has no nulls", each.Name, each.Type())
				}
			}
			values, scores := series.numbers(t, "value"), series.numbers(t, "score")
			for index := range values {
				if (values[index] == nil) != (scores[index] == nil) {
					t.Fatalf("at %v value is %v and score %v, want both or none", series.Times[index], values[index], scores[index])
				}
			}
			if series.has("truth") {
				t.Error("a field truth, although it was not asked for")
			}
		})
	}
}

func TestAnomalyIsTheFlaggedValue(t *testing.T) {
	answer := host(t).frames(t, generator, query(JSON{"source": everySeries}, 7*24*time.Hour))
	found := 0
	for _, series := range answer.series(t) {
		values, flagged := series.numbers(t, "value"), series.flagged(t)
		found += len(flagged)
		for index, anomaly := range series.numbers(t, "anomaly") {
			at := series.Times[index]
			switch {
			case flagged[at.UnixMilli()] && (anomaly == nil || *anomaly != *values[index]):
				t.Errorf("{%s} at %v is flagged, so anomaly should be its value %v", series.Key(), at, *values[index])
			case !flagged[at.UnixMilli()] && anomaly != nil:
				t.Errorf("{%s} at %v is not flagged, so anomaly should be null, not %v", series.Key(), at, *anomaly)
			}
		}
	}
	if found == 0 {
		t.Error("nothing was flagged, although the generator places outliers")
	}
}

func TestScoresAreBetween0And1(t *testing.T) {
	for _, series := range host(t).frames(t, generator, query(JSON{"source": everySeries}, 7*24*time.Hour)).series(t) {
		scores, times := series.present(t, "score")
		for index, score := range scores {
			if score < 0 || score > 1 {
				t.Fatalf("{%s}: score %v at %v", series.Key(), score, times[index])
			}
		}
	}
}

func TestThresholdSeparatesTheFlagged(t *testing.T) {
	options := JSON{"source": everySeries, "detector": JSON{"kind": "isolation-forest", "threshold": 0.6}}
	for _, series := range host(t).frames(t, generator, query(options, 7*24*time.Hour)).series(t) {
		flagged := series.flagged(t)
		scores, times := series.present(t, "score")
		for index, at := range times {
			if flagged[at.UnixMilli()] && scores[index] < 0.6 {
				t.Fatalf("{%s} at %v is flagged with a score of %v, below the threshold", series.Key(), at, scores[index])
			}
		}
	}
}

func TestFieldConfig(t *testing.T) {
	for _, series := range host(t).frames(t, generator, query(JSON{"source": everySeries}, 24*time.Hour)).series(t) {
		t.Run(series.Key(), func(t *testing.T) {
			lower, upper := field(t, series.Frame, "lower"), field(t, series.Frame, "upper")
			if got := custom(upper, "fillBelowTo"); got != displayName(lower) {
				t.Errorf("upper.config.custom.fillBelowTo is %v, want %q, the display name of lower", got, displayName(lower))
			}
			if got := custom(field(t, series.Frame, "anomaly"), "drawStyle"); got != "points" {
				t.Errorf("anomaly.config.custom.drawStyle is %v, want points", got)
			}
			if got := custom(field(t, series.Frame, "score"), "hideFrom", "viz"); got != true {
				t.Errorf("score.config.custom.hideFrom.viz is %v, want true", got)
			}
			// A field that is hidden still claims an axis, from 0 to 1, unless it says that it has none.
			if got := custom(field(t, series.Frame, "score"), "axisPlacement"); got != "hidden" {
				t.Errorf("score.config.custom.axisPlacement is %v, want hidden", got)
			}
			// Points on what is expected look like data, where there are few.
			for _, name := range []string{"expected", "lower", "upper"} {
				if got := custom(field(t, series.Frame, name), "showPoints"); got != "never" {
					t.Errorf("%s.config.custom.showPoints is %v, want never", name, got)
				}
			}
			// Of several series the legend has one entry each.
			for _, name := range []string{"expected", "anomaly"} {
				if got := custom(field(t, series.Frame, name), "hideFrom", "legend"); got != true {
					t.Errorf("%s.config.custom.hideFrom.legend is %v, want true", name, got)
				}
			}
		})
	}
}

func TestPanelsGetDisplayNames(t *testing.T) {
	for _, output := range []string{"all", "state", "score"} {
		t.Run(output, func(t *testing.T) {
			answer := host(t).frames(t, generator, query(JSON{"source": everySeries, "output": output}, 24*time.Hour))
			for _, series := range answer.series(t) {
				for _, each := range series.Fields[1:] {
					if displayName(each) == "" {
						t.Errorf("{%s}: field %q has no config.displayNameFromDS", series.Key(), each.Name)
					}
				}
			}
		})
	}
}

func TestLabelsReachEveryNumericField(t *testing.T) {
	// Answer.series compares the labels of the fields; here they must also be there.
	for _, series := range host(t).frames(t, generator, query(JSON{"source": everySeries}, 24*time.Hour)).series(t) {
		if len(series.Labels) == 0 {
			t.Errorf("frame %q: no labels, although there are four series", series.Name)
		}
	}
}

func TestMetaOfTheFirstFrame(t *testing.T) {
	options := JSON{"source": everySeries, "detector": JSON{"kind": "isolation-forest", "seed": 7}, "step": "30m"}
	answer := host(t).frames(t, generator, query(options, 7*24*time.Hour))
	about := answer.about(t)

	if answer[0].Meta.ExecutedQueryString == "" {
		t.Error("no executedQueryString")
	}
	if about.Version == "" || about.Fingerprint == "" || len(about.Training) == 0 {
		t.Errorf("version, fingerprint or training are missing: %+v", about)
	}
	if about.Source != "generator" || about.Detector != "isolation-forest" {
		t.Errorf("source %q, detector %q, want generator and isolation-forest", about.Source, about.Detector)
	}
	if about.Seed == nil || *about.Seed != 7 {
		t.Errorf("seed %v, want 7", about.Seed)
	}
	if about.StepMs != (30 * time.Minute).Milliseconds() {
		t.Errorf("stepMs %d, want that of 30m", about.StepMs)
	}
	for _, phase := range []string{"fetch", "decode", "detect"} {
		if _, timed := about.TimingsMs[phase]; !timed {
			t.Errorf("timingsMs has no %s: %v", phase, about.TimingsMs)
		}
	}
	points, flagged := 0, 0
	for _, series := range answer.series(t) {
		points += len(series.Times)
		flagged += len(series.flagged(t))
	}
	if about.Points == nil || *about.Points != points {
		t.Errorf("points %v, want %d", deref(about.Points), points)
	}
	if about.Flagged == nil || *about.Flagged != flagged {
		t.Errorf("flagged %v, want %d", deref(about.Flagged), flagged)
	}
}

func deref(number *int) any {
	if number == nil {
		return "missing"
	}
	return *number
}

func TestFingerprintTellsModelsApart(t *testing.T) {
	fingerprint := func(options JSON) string {
		return host(t).frames(t, generator, query(JSON{"detector": options}, 24*time.Hour)).about(t).Fingerprint
	}
	first := fingerprint(JSON{"kind": "isolation-forest"})
	if again := fingerprint(JSON{"kind": "isolation-forest"}); again != first {
		t.Errorf("fingerprint %q, then %q for the same query", first, again)
	}
	for _, option := range []JSON{{"seed": 43}, {"nTrees": 99}, {"sampleSize": 128}} {
		option["kind"] = "isolation-forest"
		if other := fingerprint(option); other == first {
			t.Errorf("%v leaves the fingerprint as it is", option)
		}
	}
}

func TestAnnotationsComeLastAndUntyped(t *testing.T) {
	answer := host(t).frames(t, generator, query(wild(nil), 7*24*time.Hour))
	if len(answer.single(t).flagged(t)) == 0 {
		t.Fatal("nothing was flagged, although the generator places outliers")
	}
	frame := answer.annotations()
	if frame == nil {
		t.Fatalf("the last of %d frames has no meta.dataTopic annotations", len(answer))
	}
	if frame.Meta.Type != "" {
		t.Errorf("the annotations have the type %q, want none", frame.Meta.Type)
	}
	for _, name := range []string{"time", "timeEnd", "title", "text", "tags", "id"} {
		field(t, frame, name)
	}
	if rows, err := frame.RowLen(); err != nil || rows == 0 {
		t.Errorf("%d rows of annotations (%v), want some: absent when there are none", rows, err)
	}
}

func TestAnnotationsAreAbsentWithoutEvents(t *testing.T) {
	options := JSON{"detector": JSON{"kind": "isolation-forest", "threshold": 1}}
	answer := host(t).frames(t, generator, query(options, 24*time.Hour))
	if flagged := answer.single(t).flagged(t); len(flagged) != 0 {
		t.Fatalf("%d points are flagged at a threshold of 1", len(flagged))
	}
	if len(answer) != 1 {
		t.Errorf("%d frames, want the series alone", len(answer))
	}
}

func TestNoDataIsOneFrameWithoutFields(t *testing.T) {
	nothing := startUpstream(t, contract(func(time.Time) (float64, bool) { return 0, false }, 5*time.Minute))
	for _, output := range []string{"all", "state", "events", "score", "series", "alert"} {
		t.Run(output, func(t *testing.T) {
			answer := host(t).frames(t, httpJSON(nothing.URL), Query{JSON: JSON{"output": output}.String()})
			if len(answer) != 1 || len(answer[0].Fields) != 0 {
				t.Errorf("%d frames, the first with fields %q; want one frame without fields", len(answer), names(answer[0]))
			}
		})
	}
}

func TestGrafanaExpressionsCanReadTheFrames(t *testing.T) {
	for _, output := range []string{"all", "state", "score", "alert"} {
		t.Run(output, func(t *testing.T) {
			answer := host(t).frames(t, generator, query(JSON{"source": everySeries, "output": output}, 24*time.Hour))
			if refs := answer.readable(t).Refs; len(refs) != 4 {
				t.Errorf("sdata reads %d series, want 4", len(refs))
			}
		})
	}
}
