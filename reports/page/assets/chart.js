// What plotly is asked to draw: curves, picks, anchors and the frame around them.

const BANDS = 6; // with more curves than this, ranges would hide each other and those beyond the best are faint
const REACH = 12; // points of accuracy below the victim at which the axis starts at the latest

const percents = (list) => list.map((value) => value / 100);

/** Plotly reads some markup in its texts; this keeps names from being it. */
const plotlyText = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** The methods of lowest success at their picks. */
function bestOf(shown) {
  const ranked = shown.filter((method) => known(method.pick[1])).sort((a, b) => a.pick[1] - b.pick[1]);
  return new Set(ranked.slice(0, BANDS));
}

function curveTraces(chart, method, withBand, faint) {
  const look = lookOf(method.method);
  const colour = colourOf(look);
  const made = [];
  if (method.x) {
    const [x, y] = [percents(method.x), percents(method.y)];
    if (withBand && method.curve_seeds > 1) {
      const outline = { x: [...x, ...[...x].reverse()], y: [...percents(method.high), ...percents(method.low).reverse()] };
      made.push({ ...outline, mode: "lines", line: { width: 0 }, fill: "toself", fillcolor: colour, opacity: 0.15, hoverinfo: "skip" });
    }
    const line = { color: colour, width: 2, dash: look.dash };
    made.push({ x, y, mode: "lines+markers", line, marker: { color: colour, size: 5 }, opacity: faint ? 0.35 : 1, hoverinfo: "text", hovertext: x.map((_, place) => hoverText(chart, method, place)) });
  }
  if (known(method.pick[0])) made.push(pickTrace(chart, method, look, colour, faint));
  return made;
}

function pickTrace(chart, method, look, colour, faint) {
  const hollow = method.state === "partial";
  const edge = look.outlined ? styleOf("--ink") : styleOf("--page");
  const marker = { symbol: look.symbol, size: faint ? 10 : 13, color: hollow ? styleOf("--page") : colour, line: { width: hollow ? 2 : 1.5, color: hollow ? colour : edge } };
  const lines = [
    `<b>${plotlyText(method.method)}</b>, blind pick`,
    `success ${percent(method.pick[1])} %, seeds ${range(...method.pick_range)}`,
    `clean accuracy ${percent(method.pick[0])} %`,
    `n = ${method.seeds_ok} of ${counted(method.seeds, "seed")}, ${number(chart.images)} images each`,
    `knowledge: ${plotlyText(method.knowledge)}`,
  ];
  return { x: [method.pick[0] / 100], y: [method.pick[1] / 100], mode: "markers", marker, hoverinfo: "text", hovertext: [lines.join("<br>")] };
}

function hoverText(chart, method, place) {
  const seeds = method.curve_seeds > 1 ? `, seeds ${range(method.low[place], method.high[place])}` : "";
  return [
    `<b>${plotlyText(method.method)}</b>, ${place ? `strength ${number(method.strength[place])}` : "the victim"}`,
    `success ${percent(method.y[place])} %${seeds}`,
    `clean accuracy ${percent(method.x[place])} %`,
    `n = ${counted(method.curve_seeds, "seed")}, ${number(chart.images)} images each`,
  ].join("<br>");
}

function anchorTrace(name, place, symbol) {
  const marker = { symbol, size: 15, color: styleOf("--ink"), line: { width: 1.5, color: styleOf("--page") } };
  const hovertext = [`<b>${name}</b><br>success ${percent(place[1])} %<br>clean accuracy ${percent(place[0])} %`];
  return { x: [place[0] / 100], y: [place[1] / 100], mode: "markers", marker, hoverinfo: "text", hovertext };
}

function traces(chart, shown, withBands) {
  const [x, y] = chart.front.map(percents);
  const front = { x, y, mode: "lines", line: { color: styleOf("--front"), width: 9 }, hoverinfo: "skip" };
  const best = bestOf(shown);
  const found = [front, ...shown.flatMap((method) => curveTraces(chart, method, withBands, shown.length > BANDS && !best.has(method)))];
  if (known(chart.victim[0])) found.push(anchorTrace("victim", chart.victim, "x"));
  if (known(chart.clean[0])) found.push(anchorTrace("clean model", chart.clean, "star"));
  return found;
}

const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function chartLayout(chart, budget) {
  const all = chart.methods.flatMap((method) => [...(method.x ?? []), method.pick[0]]).concat(chart.victim[0], chart.clean[0]).filter(known);
  const [worst, best] = [Math.min(...all) / 100, Math.max(...all) / 100];
  const left = known(chart.victim[0]) ? Math.max(worst, chart.victim[0] / 100 - REACH) : worst;
  const room = Math.max(0.05 * (best - left), 0.5);
  const axis = { gridcolor: styleOf("--line"), zeroline: false, linecolor: styleOf("--line"), automargin: true };
  const line = known(chart.victim[0]) ? chart.victim[0] / 100 - budget : null;
  return {
    autosize: true,
    margin: { l: 52, r: 12, t: 12, b: 46 },
    paper_bgcolor: styleOf("--page"),
    plot_bgcolor: styleOf("--page"),
    font: { family: "system-ui, sans-serif", size: 13, color: styleOf("--ink") },
    hoverlabel: { bgcolor: styleOf("--surface"), bordercolor: styleOf("--line"), font: { color: styleOf("--ink") }, align: "left" },
    showlegend: false,
    xaxis: { ...axis, title: { text: "Clean accuracy (%)" }, range: all.length ? [left - room, best + room] : undefined },
    yaxis: { ...axis, title: { text: "Attack success (%)" }, range: [-4, 104] },
    shapes: line === null ? [] : [{ type: "line", x0: line, x1: line, y0: 0, y1: 1, yref: "paper", line: { dash: "dot", width: 1.5, color: styleOf("--muted") } }],
    uirevision: `${chart.model}\n${chart.dataset}\n${chart.attack}`,
  };
}

