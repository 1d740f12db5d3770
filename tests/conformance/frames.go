package conformance

import (
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/grafana/dataplane/sdata/timeseries"
	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// categorised is how the text of every error begins.
var categorised = regexp.MustCompile(`^\[[a-z][a-z-]*\] \S`)

// Answer are the frames of one query.
type Answer data.Frames

// Series is one frame of a time series answer.
type Series struct {
	*data.Frame
	// Labels are those of the frame's numeric fields; they tell the series of an answer apart.
	Labels data.Labels
	Times  []time.Time
}

// Key names the series within an answer.
func (s Series) Key() string { return s.Labels.String() }

// names are the names of the fields, in order.
func names(frame *data.Frame) []string {
	result := make([]string, len(frame.Fields))
	for index, field := range frame.Fields {
		result[index] = field.Name
	}
	return result
}

// series are the time series of an answer, each checked for what all of them have in common:
// type and version, a leading time field that ascends without nulls, numeric fields beside it that
// carry the same labels, and display names that differ.
func (a Answer) series(t *testing.T) []Series {
	t.Helper()
	var result []Series
	displayNames := map[string]string{}
	for index, frame := range a {
		if frame.Meta == nil || frame.Meta.Type == "" {
			if index != len(a)-1 || index == 0 {
				t.Fatalf("frame %d of %d (%q) has no meta.type; only the last may be untyped", index, len(a), names(frame))
			}
			continue
		}
		if frame.Meta.Type != data.FrameTypeTimeSeriesMulti || frame.Meta.TypeVersion != (data.FrameTypeVersion{0, 1}) {
			t.Fatalf("frame %d: type %q version %v, want timeseries-multi 0.1", index, frame.Meta.Type, frame.Meta.TypeVersion)
		}
		if len(frame.Fields) < 2 {
			t.Fatalf("frame %d: fields %q, want time and at least one value", index, names(frame))
		}
		series := Series{Frame: frame, Labels: frame.Fields[1].Labels, Times: times(t, frame.Fields[0])}
		for _, field := range frame.Fields[1:] {
			if !field.Type().Numeric() {
				t.Errorf("frame %d: field %q is of type %v, want a numeric one", index, field.Name, field.Type())
			}
			if !field.Labels.Equals(series.Labels) {
				t.Errorf("frame %d: field %q has labels %v, the first value field has %v", index, field.Name, field.Labels, series.Labels)
			}
			if name := displayName(field); name != "" {
				if other, taken := displayNames[name]; taken {
					t.Errorf("frame %d: field %q has the display name %q, as has %s", index, field.Name, name, other)
				}
				displayNames[name] = frame.Name + "/" + field.Name
			}
		}
		if frame.Fields[0].Labels != nil {
			t.Errorf("frame %d: the time field has labels %v", index, frame.Fields[0].Labels)
		}
		result = append(result, series)
	}
	if len(result) == 0 {
		t.Fatal("no time series in the answer")
	}
	keys := map[string]bool{}
	for _, each := range result {
		if keys[each.Key()] {
			t.Errorf("two series have the labels {%s}", each.Key())
		}
		keys[each.Key()] = true
	}
	return result
}

// single is the only time series of an answer.
func (a Answer) single(t *testing.T) Series {
	t.Helper()
	all := a.series(t)
	if len(all) != 1 {
		t.Fatalf("%d series in the answer, want 1", len(all))
	}
	return all[0]
}

// readable checks that Grafana's expressions and alert rules can read the answer, by reading it
// with the library they use: one metric a series, times ascending, no duplicates.
func (a Answer) readable(t *testing.T) timeseries.Collection {
	t.Helper()
	multi := timeseries.MultiFrame(a)
	collection, err := multi.GetCollection(true)
	if err != nil {
		t.Fatalf("sdata cannot read the frames as timeseries-multi: %v", err)
	}
	if collection.Warning != nil {
		t.Errorf("sdata warns: %v", collection.Warning)
	}
	return collection
}

// annotations is the frame of inline annotations, or nil.
func (a Answer) annotations() *data.Frame {
	last := a[len(a)-1]
	if last.Meta != nil && last.Meta.DataTopic == data.DataTopicAnnotations {
		return last
	}
	return nil
}

// About is meta.custom.outrider of the first frame.
type About struct {
	Version     string             `json:"version"`
	Source      string             `json:"source"`
	Detector    string             `json:"detector"`
	Seed        *uint64            `json:"seed"`
	Fingerprint string             `json:"fingerprint"`
	StepMs      int64              `json:"stepMs"`
	Training    json.RawMessage    `json:"training"`
	TimingsMs   map[string]float64 `json:"timingsMs"`
	Points      *int               `json:"points"`
	Flagged     *int               `json:"flagged"`
}

func (a Answer) about(t *testing.T) About {
	t.Helper()
	if a[0].Meta == nil || a[0].Meta.Custom == nil {
		t.Fatal("the first frame has no meta.custom")
	}
	raw, err := json.Marshal(a[0].Meta.Custom)
	if err != nil {
		t.Fatal(err)
	}
	var custom struct{ Outrider *About }
	if err := json.Unmarshal(raw, &custom); err != nil {
		t.Fatalf("meta.custom is %s: %v", raw, err)
	}
	if custom.Outrider == nil {
		t.Fatalf("meta.custom has no outrider: %s", raw)
	}
	return *custom.Outrider
}

// has says whether the series has a field.
func (s Series) has(name string) bool {
	field, _ := s.FieldByName(name)
	return field != nil
}

// field is a field that has to be there.
func field(t *testing.T, frame *data.Frame, name string) *data.Field {
	t.Helper()
	field, _ := frame.FieldByName(name)
	if field == nil {
		t.Fatalf("no field %q among %q", name, names(frame))
	}
	return field
}

// numbers are a field's values; nil stands for null.
func (s Series) numbers(t *testing.T, name string) []*float64 {
	t.Helper()
	field := field(t, s.Frame, name)
	result := make([]*float64, field.Len())
	for index := range result {
		value, err := field.NullableFloatAt(index)
		if err != nil {
			t.Fatalf("field %q, row %d: %v", name, index, err)
		}
		result[index] = value
	}
	return result
}

// present are the values of a field and their times, nulls left out; all are finite.
func (s Series) present(t *testing.T, name string) (values []float64, times []time.Time) {
	t.Helper()
	for index, value := range s.numbers(t, name) {
		if value == nil {
			continue
		}
		if math.IsNaN(*value) || math.IsInf(*value, 0) {
			t.Fatalf("field %q is %v at %v", name, *value, s.Times[index])
		}
		values, times = append(values, *value), append(times, s.Times[index])
	}
	return values, times
}

// complete are the values of a field that must not have nulls.
func (s Series) complete(t *testing.T, name string) []float64 {
	t.Helper()
	values, _ := s.present(t, name)
	if nulls := len(s.Times) - len(values); nulls > 0 {
		t.Fatalf("field %q has %d nulls among %d values", name, nulls, len(s.Times))
	}
	return values
}

// flagged are the times at which the outlier field is 1. Where there is a value it is 0 or 1.
func (s Series) flagged(t *testing.T) map[int64]bool {
	t.Helper()
	result := map[int64]bool{}
	values := s.numbers(t, "value")
	for index, value := range s.numbers(t, "outlier") {
		switch {
		case value == nil && values[index] != nil:
			t.Fatalf("outlier is null at %v, although there is a value", s.Times[index])
		case value == nil:
		case *value == 1:
			result[s.Times[index].UnixMilli()] = true
		case *value != 0:
			t.Fatalf("outlier is %v at %v, want 0 or 1", *value, s.Times[index])
		}
	}
	return result
}

func times(t *testing.T, field *data.Field) []time.Time {
	t.Helper()
	if field.Name != "time" || field.Type() != data.FieldTypeTime {
		t.Fatalf("the first field is %q of type %v, want time without nulls", field.Name, field.Type())
	}
	result := make([]time.Time, field.Len())
	for index := range result {
		result[index] = field.At(index).(time.Time)
		if index > 0 && !result[index].After(result[index-1]) {
			t.Fatalf("time %v does not come after %v", result[index], result[index-1])
		}
	}
	return result
}

func displayName(field *data.Field) string {
	if field.Config == nil {
		return ""
	}
	return field.Config.DisplayNameFromDS
}

// custom is an entry of a field's config.custom, by its path.
func custom(field *data.Field, path ...string) any {
	if field.Config == nil {
		return nil
	}
	var value any = field.Config.Custom
	for _, key := range path {
		object, isObject := value.(map[string]any)
		if !isObject {
			return nil
		}
		value = object[key]
	}
	return value
}

// Instant is a point of a series.
type Instant struct {
	Series string
	Time   int64
}

// null stands for null among bits; it is the bit pattern of no ordinary number.
const null = 0xfff8_0000_dead_beef

// bits are the values of one field, bit for bit, by series and time.
func (a Answer) bits(t *testing.T, name string) map[Instant]uint64 {
	t.Helper()
	result := map[Instant]uint64{}
	for _, series := range a.series(t) {
		for index, value := range series.numbers(t, name) {
			instant := Instant{series.Key(), series.Times[index].UnixNano()}
			if result[instant] = null; value != nil {
				result[instant] = math.Float64bits(*value)
			}
		}
	}
	return result
}

// sameBits checks that two maps agree wherever both have a point, and that this is so at least
// often enough to mean something.
func sameBits(t *testing.T, what string, a, b map[Instant]uint64, least int) {
	t.Helper()
	shared, different := 0, 0
	for instant, bits := range a {
		other, both := b[instant]
		if !both {
			continue
		}
		shared++
		if bits != other {
			if different == 0 {
				t.Errorf("%s of {%s} at %v is %v in one answer and %v in the other (NaN: null)", what, instant.Series,
					time.Unix(0, instant.Time).UTC(), math.Float64frombits(bits), math.Float64frombits(other))
			}
			different++
		}
	}
	if different > 1 {
		t.Errorf("%s differs at %d of %d shared points", what, different, shared)
	}
	if shared < least {
		t.Errorf("%s: the answers share %d points, want at least %d", what, shared, least)
	}
}

// text is everything of an answer that a reader could see, as JSON.
func (a Answer) text(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	for _, frame := range a {
		raw, err := data.FrameToJSON(frame, data.IncludeAll)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(raw)
	}
	return text.String()
}
