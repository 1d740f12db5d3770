package conformance

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/genproto/pluginv2"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are the plugin's metrics by name.
type Metrics map[string]*dto.MetricFamily

// metrics collects and parses metrics as Prometheus would.
func (p *Plugin) metrics(t *testing.T, request *pluginv2.CollectMetricsRequest) Metrics {
	t.Helper()
	response, err := p.Diagnostics.CollectMetrics(patient(t), request)
	if err != nil {
		t.Fatalf("CollectMetrics: %v", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(response.GetMetrics().GetPrometheus()))
	if err != nil {
		t.Fatalf("not Prometheus text: %v\n%s", err, response.GetMetrics().GetPrometheus())
	}
	return families
}

// sum adds up a counter over all metrics that have the labels, typed or not.
func (m Metrics) sum(name string, labels map[string]string) float64 {
	total := 0.0
	for _, metric := range m[name].GetMetric() {
		matching := 0
		for _, label := range metric.GetLabel() {
			if value, wanted := labels[label.GetName()]; wanted && value == label.GetValue() {
				matching++
			}
		}
		if matching == len(labels) {
			total += metric.GetCounter().GetValue() + metric.GetUntyped().GetValue()
		}
	}
	return total
}

// count is the number of observations of a histogram.
func (m Metrics) count(name string) uint64 {
	total := uint64(0)
	for _, metric := range m[name].GetMetric() {
		total += metric.GetHistogram().GetSampleCount()
	}
	return total
}

func TestMetrics(t *testing.T) {
	// A process of its own, since the counters are the process's.
	p := launch(t, Options{})
	everywhere := &pluginv2.CollectMetricsRequest{PluginContext: generator.context()}
	before := p.metrics(t, everywhere)
	for range 3 {
		p.frames(t, generator, Query{})
	}
	p.refusal(t, generator, Query{JSON: `{"source":{"kind":"no-such"}}`})
	after := p.metrics(t, everywhere)

	t.Run("names and help", func(t *testing.T) {
		for name, family := range after {
			if strings.HasPrefix(name, "process_") || strings.HasPrefix(name, "go_") {
				continue
			}
			if !strings.HasPrefix(name, "outrider_") {
				t.Errorf("metric %s, want the prefix outrider_", name)
			}
			if family.GetHelp() == "" {
				t.Errorf("metric %s has no help", name)
			}
		}
	})
	t.Run("types", func(t *testing.T) {
		for name, kind := range inOrder(map[string]dto.MetricType{
			"outrider_queries_total":      dto.MetricType_COUNTER,
			"outrider_query_errors_total": dto.MetricType_COUNTER,
			"outrider_points_in_total":    dto.MetricType_COUNTER,
			"outrider_points_out_total":   dto.MetricType_COUNTER,
			"outrider_fetch_seconds":      dto.MetricType_HISTOGRAM,
			"outrider_detect_seconds":     dto.MetricType_HISTOGRAM,
			"outrider_encode_seconds":     dto.MetricType_HISTOGRAM,
			"outrider_cache_hits_total":   dto.MetricType_COUNTER,
			"outrider_cache_misses_total": dto.MetricType_COUNTER,
		}) {
			if family := after[name]; family == nil {
				t.Errorf("no metric %s", name)
			} else if family.GetType() != kind {
				t.Errorf("%s is a %v, want a %v", name, family.GetType(), kind)
			}
		}
	})
	t.Run("labels", func(t *testing.T) {
		for _, metric := range after["outrider_queries_total"].GetMetric() {
			names := map[string]bool{}
			for _, label := range metric.GetLabel() {
				names[label.GetName()] = true
			}
			if !names["source"] || !names["detector"] || !names["outcome"] {
				t.Errorf("outrider_queries_total has the labels %v, want source, detector and outcome", metric.GetLabel())
			}
		}
	})
	t.Run("counts", func(t *testing.T) {
		labels := map[string]string{"source": "generator", "detector": "auto"}
		if grown := after.sum("outrider_queries_total", labels) - before.sum("outrider_queries_total", labels); grown < 3 {
			t.Errorf("outrider_queries_total%v grew by %v, want 3", labels, grown)
		}
		if grown := after.sum("outrider_query_errors_total", nil) - before.sum("outrider_query_errors_total", nil); grown != 1 {
			t.Errorf("outrider_query_errors_total grew by %v, want 1", grown)
		}
		if grown := after.sum("outrider_points_out_total", nil) - before.sum("outrider_points_out_total", nil); grown < 3*96 {
			t.Errorf("outrider_points_out_total grew by %v, want at least %d", grown, 3*96)
		}
		if grown := after.sum("outrider_points_in_total", nil) - before.sum("outrider_points_in_total", nil); grown <= 0 {
			t.Errorf("outrider_points_in_total grew by %v", grown)
		}
		for _, name := range []string{"outrider_detect_seconds", "outrider_encode_seconds"} {
			if after.count(name) == 0 {
				t.Errorf("%s has no observations", name)
			}
		}
		if after.sum("outrider_cache_hits_total", nil) == 0 {
			t.Error("outrider_cache_hits_total is 0, although a query was repeated")
		}
	})
}

func TestUnknownKindsDoNotBecomeLabels(t *testing.T) {
	// A label per misspelt name would let a viewer fill Prometheus.
	p := launch(t, Options{})
	p.refusal(t, generator, Query{JSON: `{"source":{"kind":"misspelt-source"}}`})
	p.refusal(t, generator, Query{JSON: `{"detector":{"kind":"misspelt-detector"}}`})
	for name, family := range p.metrics(t, &pluginv2.CollectMetricsRequest{}) {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if strings.HasPrefix(label.GetValue(), "misspelt") {
					t.Errorf("%s has the label %s=%q", name, label.GetName(), label.GetValue())
				}
			}
		}
	}
}

func TestMetricsWithoutAPluginContext(t *testing.T) {
	host(t).frames(t, generator, query(JSON{}, time.Hour))
	if families := host(t).metrics(t, &pluginv2.CollectMetricsRequest{}); families["outrider_queries_total"] == nil {
		t.Error("no metric outrider_queries_total")
	}
}
