package conformance

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
)

// call calls a resource and puts the streamed answer together.
func (p *Plugin) call(t *testing.T, request *pluginv2.CallResourceRequest) *pluginv2.CallResourceResponse {
	t.Helper()
	stream, err := p.Resource.CallResource(patient(t), request)
	if err != nil {
		t.Fatalf("CallResource %s: %v", request.Path, err)
	}
	var whole *pluginv2.CallResourceResponse
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("CallResource %s: %v", request.Path, err)
		}
		if whole == nil {
			whole = part
		} else {
			whole.Body = append(whole.Body, part.Body...)
		}
	}
	if whole == nil {
		t.Fatalf("CallResource %s: an empty stream", request.Path)
	}
	return whole
}

// get gets a resource as Grafana asks for it.
func get(t *testing.T, method, path string) *pluginv2.CallResourceResponse {
	t.Helper()
	bare, _, _ := strings.Cut(path, "?")
	return host(t).call(t, &pluginv2.CallResourceRequest{
		PluginContext: generator.context(), Method: method, Path: bare, Url: path,
		Headers: map[string]*pluginv2.StringList{"Accept": {Values: []string{"application/json"}}},
	})
}

// getJSON gets a resource that has to be there.
func getJSON(t *testing.T, path string, into any) {
	t.Helper()
	answer := get(t, http.MethodGet, path)
	if answer.Code != http.StatusOK {
		t.Fatalf("GET %s: status %d %s, want 200", path, answer.Code, answer.Body)
	}
	isJSON(t, path, answer)
	if err := json.Unmarshal(answer.Body, into); err != nil {
		t.Fatalf("GET %s: %v in %s", path, err, answer.Body)
	}
}

func isJSON(t *testing.T, path string, answer *pluginv2.CallResourceResponse) {
	t.Helper()
	for name, values := range answer.Headers {
		if strings.EqualFold(name, "Content-Type") {
			if !strings.HasPrefix(values.Values[0], "application/json") {
				t.Errorf("%s: Content-Type %q, want application/json", path, values.Values)
			}
			return
		}
	}
	t.Errorf("%s: no Content-Type", path)
}

// Kind is an entry of the resource kinds, Option one of generator/series.
type (
	Kind   struct{ Kind, Label, Description string }
	Option struct{ Value, Label, Description string }
)

func kinds(t *testing.T) (all struct{ Sources, Detectors []Kind }) {
	t.Helper()
	getJSON(t, "kinds", &all)
	return all
}

func TestResourceKinds(t *testing.T) {
	all := kinds(t)
	check := func(what string, list []Kind, wanted ...string) {
		var names []string
		for _, each := range list {
			names = append(names, each.Kind)
			if each.Kind == "" || each.Label == "" || each.Description == "" {
				t.Errorf("a %s lacks its kind, label or description: %+v", what, each)
			}
		}
		for _, each := range wanted {
			if !slices.Contains(names, each) {
				t.Errorf("no %s %q among %q", what, each, names)
			}
		}
	}
	check("source", all.Sources, "generator", "http-json", "simple-json", "influxdb", "sqlite", "postgresql", "mysql", "prometheus")
	check("detector", all.Detectors, "isolation-forest", "mad", "z-score", "iqr", "changepoint", "auto", "seasonal", "s-h-esd", "peers", "joint")
}

func TestEveryKindOfDetectorAnswers(t *testing.T) {
	for _, detector := range kinds(t).Detectors {
		t.Run(detector.Kind, func(t *testing.T) {
			asked := query(JSON{"source": everySeries, "detector": JSON{"kind": detector.Kind}}, 24*time.Hour)
			for _, series := range host(t).frames(t, generator, asked).series(t) {
				if scores, _ := series.present(t, "score"); len(scores) == 0 {
					t.Errorf("no scores of %s", series.Key())
				}
			}
		})
	}
}

func TestResourceGeneratorSeries(t *testing.T) {
	var options []Option
	getJSON(t, "generator/series", &options)
	var values []string
	for _, option := range options {
		values = append(values, option.Value)
		if option.Label == "" || option.Description == "" {
			t.Errorf("an option lacks its label or description: %+v", option)
		}
	}
	for _, want := range []string{"median", "sine", "cosine", "web-traffic"} {
		if !slices.Contains(values, want) {
			t.Errorf("no series %q among %q", want, values)
		}
	}
}

func TestResourceWithParameters(t *testing.T) {
	var ignored any
	getJSON(t, "kinds?orgId=1", &ignored)
}

func TestResourcesThatAreNotThere(t *testing.T) {
	for _, path := range []string{"", "no-such", "kinds/", "kinds/more", "../kinds", "generator", "generator/series/x", "..%2f..", "kinds\x00", strings.Repeat("x", 10_000)} {
		t.Run(path[:min(len(path), 20)], func(t *testing.T) {
			answer := get(t, http.MethodGet, path)
			if path == "kinds/" && answer.Code == http.StatusOK {
				return // a slash at the end may be forgiven
			}
			complaint(t, answer, http.StatusNotFound)
		})
	}
}

func TestResourceMethods(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		t.Run(method, func(t *testing.T) {
			complaint(t, get(t, method, "kinds"), http.StatusMethodNotAllowed)
		})
	}
}

// complaint checks the form of a resource's error.
func complaint(t *testing.T, answer *pluginv2.CallResourceResponse, code int32) {
	t.Helper()
	if answer.Code != code {
		t.Errorf("status %d %s, want %d", answer.Code, answer.Body, code)
	}
	isJSON(t, "the error", answer)
	var body struct{ Error, Hint string }
	if err := json.Unmarshal(answer.Body, &body); err != nil || body.Error == "" || body.Hint == "" {
		t.Errorf("body %.200q (%v), want an error and a hint", answer.Body, err)
	}
}
