package conformance

import (
	"encoding/json"
	"html"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"
)

// awkwardName is a series' name that is not what it says where it is put in as HTML.
const awkwardName = `<b>R&D</b> in="1" &lt;x&gt; <img src=x onerror=alert(1)>`

// Drawn are the columns of a frame as the browser gets them: Grafana sends panels each frame as this JSON.
type Drawn map[string][]json.RawMessage

func drawn(t *testing.T, frame *data.Frame) Drawn {
	t.Helper()
	raw, err := data.FrameToJSON(frame, data.IncludeAll)
	if err != nil {
		t.Fatal(err)
	}
	var sent struct {
		Schema struct{ Fields []struct{ Name string } }
		Data   struct{ Values [][]json.RawMessage }
	}
	if err := json.Unmarshal(raw, &sent); err != nil {
		t.Fatal(err)
	}
	columns := Drawn{}
	for index, field := range sent.Schema.Fields {
		columns[field.Name] = sent.Data.Values[index]
	}
	return columns
}

// column is a column of which every cell is a T, as JavaScript would see it.
func column[T any](t *testing.T, columns Drawn, name string) []T {
	t.Helper()
	cells := make([]T, len(columns[name]))
	for row, raw := range columns[name] {
		if err := json.Unmarshal(raw, &cells[row]); err != nil || string(raw) == "null" {
			t.Fatalf("%s of row %d is %s, want a %T: panels use the frame as it is", name, row, raw, cells[row])
		}
	}
	if len(cells) == 0 {
		t.Fatalf("no cells in the column %q", name)
	}
	return cells
}

// awkward asks for a series with an awkward name that drops to zero. It must be flagged.
func awkward(t *testing.T, output string) Answer {
	t.Helper()
	upstream := startUpstream(t, contract(always(falling), fiveMinutes))
	options := JSON{"source": JSON{"kind": "http-json", "name": awkwardName}, "output": output}
	return host(t).frames(t, httpJSON(upstream.URL), query(options, 6*time.Hour))
}

// inline is the frame of the inline annotations of a panel.
func inline(t *testing.T, answer Answer) *data.Frame {
	t.Helper()
	frame := answer.annotations()
	if frame == nil {
		t.Fatal("no inline annotations, although a series drops to zero")
	}
	return frame
}

// TestInlineAnnotationsAreWhatPanelsDraw pins the form of the frame that a panel draws by itself.
//
// No code stands between this frame and the panel: the mapping of annotation queries, which splits tags at commas, sets
// isRegion and gives a colour, is not for inline annotations. Every version from 9.4 to 13 reads the columns by their
// names, and
//   - calls map on the tags for its tooltip. A text ends in "tags.map is not a function" and an empty panel. What
//     becomes an array in the browser is a column of JSON, Arrow's binary type: Grafana's server takes no other list;
//   - draws the span of an event only where isRegion is true, timeEnd alone makes a mark at the beginning;
//   - in 9.4 cannot draw a region without a colour ("Unsupported 'gray' color").
func TestInlineAnnotationsAreWhatPanelsDraw(t *testing.T) {
	frame := inline(t, awkward(t, "all"))
	if kind := field(t, frame, "tags").Type(); kind != data.FieldTypeJSON {
		t.Errorf("tags are of type %v, want JSON", kind)
	}
	columns := drawn(t, frame)
	for row, tags := range column[[]string](t, columns, "tags") {
		if !slices.Equal(tags, []string{"outlier", "low"}) && !slices.Equal(tags, []string{"outlier", "high"}) {
			t.Errorf("tags of row %d are %q, want outlier and the side", row, tags)
		}
	}
	begins, ends := column[int64](t, columns, "time"), column[int64](t, columns, "timeEnd")
	regions := 0
	for row, isRegion := range column[bool](t, columns, "isRegion") {
		if isRegion && ends[row] <= begins[row] {
			t.Errorf("row %d is a region from %d to %d", row, begins[row], ends[row])
		}
		if isRegion {
			regions++
		}
	}
	if regions == 0 {
		t.Error("no region, although hours of zero are one event")
	}
	for row, colour := range column[string](t, columns, "color") {
		if colour == "" {
			t.Errorf("row %d has no colour", row)
		}
	}
}

// TestInlineAnnotationsAreHTML: panels put title and text in as HTML, so what a label says must be escaped there. A
// table shows the same event's text as it is.
func TestInlineAnnotationsAreHTML(t *testing.T) {
	columns := drawn(t, inline(t, awkward(t, "all")))
	table := drawn(t, awkward(t, "events")[0])
	for _, name := range []string{"title", "text"} {
		shown, plain := column[string](t, columns, name), column[string](t, table, name)
		if len(shown) != len(plain) {
			t.Fatalf("%d annotations, %d rows", len(shown), len(plain))
		}
		for row := range shown {
			if strings.ContainsAny(shown[row], "<>") {
				t.Errorf("%s %q would be markup", name, shown[row])
			}
			if html.UnescapeString(shown[row]) != plain[row] {
				t.Errorf("%s %q reads otherwise than the table's %q", name, shown[row], plain[row])
			}
		}
	}
	for row, title := range column[string](t, table, "title") {
		if !strings.Contains(title, awkwardName) {
			t.Errorf("title of row %d is %q, want the name of the series in it", row, title)
		}
	}
}

// TestTagsOfATableAreText: a table shows JSON as JSON, and annotation queries split a text at its commas.
func TestTagsOfATableAreText(t *testing.T) {
	for row, tags := range column[string](t, drawn(t, awkward(t, "events")[0]), "tags") {
		if tags != "outlier,low" && tags != "outlier,high" {
			t.Errorf("tags of row %d are %q", row, tags)
		}
	}
}

// TestAnEventHasTheScoreOfItsWorstPoint: no point in it has a higher one.
func TestAnEventHasTheScoreOfItsWorstPoint(t *testing.T) {
	options := wild(nil)
	answer := host(t).frames(t, generator, query(options, 7*24*time.Hour))
	series := answer.single(t)
	flagged, scores := series.flagged(t), series.numbers(t, "score")
	columns := drawn(t, inline(t, answer))
	begins, ends := column[int64](t, columns, "time"), column[int64](t, columns, "timeEnd")
	for row, score := range column[float64](t, columns, "score") {
		worst := 0.0
		for index, at := range series.Times {
			if ms := at.UnixMilli(); flagged[ms] && ms >= begins[row] && ms <= ends[row] {
				worst = max(worst, *scores[index])
			}
		}
		if score != worst {
			t.Errorf("the event at %v has the score %v, its worst point %v", time.UnixMilli(begins[row]).UTC(), score, worst)
		}
	}
}
