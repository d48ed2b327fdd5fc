// A chart of series over time: value as a line, expected range as a soft band, anomalies as
// shaded spans, changes as thin vertical marks, a forecast as a fan to the right of "now".
// It takes data, never options: colours, units and themes are decided here. Charts of one
// group share cursor and zoom. Every text goes into the page as text, never as markup.
import { echarts } from "nicegui-echart";

const groups = new Map();

function paint(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function scaled(value, unit) {
  const size = Math.abs(value);
  const steps = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
  const [factor, prefix] = steps.find(([step]) => size >= step) || [1, ""];
  return `${trimmed(value / factor)} ${prefix}${unit}`;
}

function trimmed(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(size >= 1000 ? 4 : 3)));
}

export function quantity(value, unit) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "unknown";
  if (unit === "ratio") return `${trimmed(value * 100)} %`;
  if (unit === "percent") return `${trimmed(value)} %`;
  if (unit === "bytes") return scaled(value, "B");
  if (unit === "bytes/s") return scaled(value, "B/s");
  if (unit === "per_s") return `${trimmed(value)} /s`;
  if (unit === "seconds") {
    const size = Math.abs(value);
    if (size >= 120) return `${trimmed(value / 60)} min`;
    if (size >= 1 || value === 0) return `${trimmed(value)} s`;
    return size >= 1e-3 ? `${trimmed(value * 1e3)} ms` : `${trimmed(value * 1e6)} us`;
  }
  return Math.abs(value) >= 1e4 ? scaled(value, "").trim() : trimmed(value);
}

function clockText(ms, span) {
  const moment = new Date(ms);
  if (span > 3 * 86400000) {
    return moment.toLocaleDateString([], { day: "numeric", month: "short" });
  }
  const time = moment.toLocaleTimeString([], { hour12: false });
  return span < 600000 ? time : time.slice(0, 5);
}

function block(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

export default {
  template: '<div role="img" :aria-label="label" class="chart-canvas"></div>',
  props: { model: Object, label: String, group: String },
  data: () => ({ view: null }),
  watch: { model() { this.draw(); } },
  mounted() {
    this.chart = echarts.init(this.$el, null, { renderer: "canvas" });
    this.members = groups.get(this.group) || new Set();
    groups.set(this.group, this.members);
    this.members.add(this);
    this.sizes = new ResizeObserver(() => this.chart.resize());
    this.sizes.observe(this.$el);
    this.themed = () => this.draw();
    window.addEventListener("helm-theme", this.themed);
    this.chart.on("updateAxisPointer", (event) => this.share(event));
    this.chart.on("datazoom", (event) => this.zoomed(event));
    this.chart.getZr().on("dblclick", () => this.see(null));
    this.draw();
    this.armed();
  },
  beforeUnmount() {
    window.removeEventListener("helm-theme", this.themed);
    this.members.delete(this);
    if (!this.members.size) groups.delete(this.group);
    this.sizes.disconnect();
    this.chart.dispose();
    this.chart = null;
  },
  methods: {
    armed() {
      this.chart.dispatchAction({
        type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true,
      });
    },
    share(event) {
      // Only the chart under the pointer speaks, or the group would echo for ever.
      if (!this.$el.matches(":hover")) return;
      const at = event.axesInfo?.[0]?.value;
      for (const other of this.members) {
        if (other === this || !other.chart) continue;
        const x = at === undefined ? -1 : other.chart.convertToPixel({ xAxisIndex: 0 }, at);
        const away = at === undefined || !other.within(at);
        other.chart.dispatchAction(away ? { type: "hideTip" } : { type: "showTip", x, y: 20 });
      }
    },
    within(ms) {
      const [from, to] = this.range();
      return ms >= from && ms <= to;
    },
    range() {
      return this.view || [this.model.from, this.model.to];
    },
    zoomed(event) {
      const { startValue, endValue } = event.batch?.[0] || event;
      if (startValue === undefined || endValue - startValue < 1000) return;
      const view = [Math.round(startValue), Math.round(endValue)];
      for (const other of this.members) other.see(view);
      this.$emit("zoom", { from: view[0], to: view[1] });
    },
    see(view) {
      if (view === null && this.view) {
        for (const other of this.members) if (other !== this) other.looked(null);
        this.$emit("unzoom", {});
      }
      this.looked(view);
    },
    looked(view) {
      this.view = view;
      this.draw();
      this.armed();
    },
    draw() {
      if (!this.chart || !this.model) return;
      this.chart.setOption(this.options(this.model), { notMerge: true });
      this.armed();
    },
    options(model) {
      const [from, to] = this.range();
      const span = to - from;
      const ink = paint("--ink-2");
      const faint = paint("--line");
      const unit = model.unit || "";
      const [low, high, interval] = this.reach(model);
      const colours = Array.from({ length: 8 }, (_, at) => paint(`--series-${at + 1}`));
      return {
        animation: false,
        backgroundColor: "transparent",
        textStyle: { fontFamily: "inherit", color: ink },
        grid: { left: 4, right: 14, top: 10, bottom: 2, containLabel: true },
        toolbox: {
          left: -200, itemSize: 1,
          feature: { dataZoom: { yAxisIndex: "none", filterMode: "none" } },
        },
        xAxis: {
          type: "time", min: from, max: to,
          axisLine: { lineStyle: { color: faint } },
          axisTick: { show: false },
          splitLine: { show: false },
          axisLabel: {
            color: ink, fontSize: 11, hideOverlap: true,
            formatter: (ms) => clockText(ms, span),
          },
          axisPointer: { label: { show: false }, lineStyle: { color: ink, width: 1, type: "solid" } },
          splitNumber: 4,
        },
        yAxis: {
          type: "value", scale: !model.zero, splitNumber: 3,
          min: low, max: high, interval,
          axisLabel: { color: ink, fontSize: 11, formatter: (value) => quantity(value, unit) },
          splitLine: { lineStyle: { color: faint, width: 1 } },
          axisPointer: { show: false },
        },
        tooltip: {
          trigger: "axis", confine: true, transitionDuration: 0, className: "chart-tip",
          borderWidth: 1, borderColor: faint, backgroundColor: paint("--card"), padding: [6, 10],
          textStyle: { color: paint("--ink"), fontSize: 12 },
          formatter: (rows) => this.tip(rows, model, unit),
        },
        series: [
          ...this.bands(model.band, "band", paint("--band"), 1),
          ...this.bands(model.fan, "fan", paint("--fan"), 1),
          ...model.lines.map((line, at) => this.line(line, at, model, colours)),
        ],
      };
    },
    reach(model) {
      // The lines decide the scale; a range that is still wide must not press them flat.
      const seen = model.lines.flatMap((line) => line.points.map(([, value]) => value));
      if (model.threshold) seen.push(model.threshold.value);
      const known = seen.filter((value) => value !== null);
      if (!known.length) return [model.zero ? 0 : null, null];
      let [low, high] = [Math.min(...known), Math.max(...known)];
      if (model.zero) low = Math.min(0, low);
      const room = 0.6 * (high - low || Math.abs(high) || 1);
      const [lowest, highest] = [low - room, high + room];
      for (const [, least, most] of [...(model.band || []), ...(model.fan || [])]) {
        if (most !== null) high = Math.max(high, Math.min(most, highest));
        if (least !== null && !model.zero) low = Math.min(low, Math.max(least, lowest));
      }
      // A flat line at zero is drawn against a plain scale, not against rounding noise.
      const least = model.unit === "ratio" ? 0.01 : 1e-6 * Math.max(1, Math.abs(low));
      return this.rounded(low, Math.max(high, low + (high === 0 && low === 0 ? 1 : least)));
    },
    rounded(low, high) {
      const step = 10 ** Math.floor(Math.log10((high - low) / 3));
      const size = [1, 2, 2.5, 5, 10].map((each) => each * step).find((each) => (high - low) / each <= 4);
      const tidy = (value) => Number(value.toPrecision(12));
      return [tidy(Math.floor(low / size) * size), tidy(Math.ceil(high / size) * size), size];
    },
    bands(rows, stack, colour, z) {
      if (!rows || !rows.length) return [];
      const plain = {
        type: "line", stack, stackStrategy: "all", symbol: "none", silent: true, z,
        lineStyle: { opacity: 0 }, emphasis: { disabled: true },
      };
      return [
        { ...plain, id: `${stack}-low`, data: rows.map(([ms, low]) => [ms, low]) },
        {
          ...plain, id: `${stack}-high`, areaStyle: { color: colour, opacity: 1 },
          data: rows.map(([ms, low, high]) => [ms, low === null ? null : high - low]),
        },
      ];
    },
    line(line, at, model, colours) {
      const colour = line.muted ? paint("--ink-3") : colours[at % 8];
      const few = line.points.filter(([, value]) => value !== null).length < 3;
      return {
        type: "line", id: `line-${at}`, name: line.name, data: line.points, z: line.muted ? 2 : 3,
        showSymbol: few, symbol: "circle", symbolSize: 4, connectNulls: false,
        itemStyle: { color: colour },
        lineStyle: { color: colour, width: 1.5, type: line.dashed ? "dashed" : "solid" },
        emphasis: { disabled: true },
        ...(at === 0 ? { markArea: this.spans(model), markLine: this.marks(model) } : {}),
      };
    },
    spans(model) {
      if (!model.spans?.length) return undefined;
      return {
        silent: true, itemStyle: { color: paint("--span") },
        data: model.spans.map(([start, end]) => [{ xAxis: start }, { xAxis: end }]),
      };
    },
    marks(model) {
      const plain = { symbol: "none", label: { show: false } };
      const data = (model.marks || []).map(([ms, text, kind]) => ({
        ...plain, xAxis: ms, name: text,
        label: {
          show: true, formatter: kind === "now" ? "now" : "\u2691", position: "end",
          distance: kind === "now" ? 0 : -2, fontSize: 10, color: paint("--ink-2"),
        },
        lineStyle: {
          color: paint("--ink-2"), width: 1, type: kind === "now" ? "solid" : "dashed",
        },
      }));
      if (model.threshold) {
        data.push({
          ...plain, yAxis: model.threshold.value,
          lineStyle: { color: paint("--red"), width: 1, type: "dashed" },
          label: {
            show: true, formatter: model.threshold.text, position: "insideEndTop",
            fontSize: 11, color: paint("--red"),
          },
        });
      }
      if (!data.length) return undefined;
      return { silent: true, animation: false, symbol: ["none", "none"], data };
    },
    tip(rows, model, unit) {
      const box = document.createElement("div");
      const seen = rows.filter((row) => row.seriesId?.startsWith("line-"));
      const at = (seen[0] || rows[0]).axisValue;
      const when = new Date(at).toLocaleString([], {
        day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit",
        hour12: false,
      });
      box.append(block("div", when, "chart-tip-time"));
      for (const row of seen.slice(0, 10)) {
        const line = document.createElement("div");
        const dot = block("span", "", "chart-tip-dot");
        dot.style.background = row.color;
        line.append(dot, block("span", row.seriesName, "chart-tip-name"));
        line.append(block("b", quantity(row.value[1], unit)));
        line.className = "chart-tip-row";
        box.append(line);
      }
      const ranges = [[model.band, "expected"], [model.fan, "forecast"]];
      for (const [range, word] of ranges) {
        const row = this.nearest(range, at);
        if (!row || row[1] === null) continue;
        const text = `${word} ${quantity(row[1], unit)} to ${quantity(row[2], unit)}`;
        box.append(block("div", text, "chart-tip-range"));
      }
      for (const [ms, text] of model.marks || []) {
        if (Math.abs(ms - at) < (model.to - model.from) / 80) {
          box.append(block("div", `\u2691 ${text}`, "chart-tip-range"));
        }
      }
      return box;
    },
    nearest(range, ms) {
      if (!range?.length || ms < range[0][0] || ms > range[range.length - 1][0]) return null;
      let [low, high] = [0, range.length - 1];
      while (low < high) {
        const middle = (low + high) >> 1;
        if (range[middle][0] < ms) low = middle + 1;
        else high = middle;
      }
      return range[low];
    },
  },
};
