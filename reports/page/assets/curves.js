// Trade-off curves, drawn by plotly once they come into view.

const curveForm = formOf("curves");
const charts = dataOf("curves").charts;
const budget = dataOf("curves").budget;
const hiddenMethods = new Set();
let plotlyReady = null;
let bandsChosen = false;

/** Unpacks the library inside this file and runs it, once. */
async function runPlotly() {
  const packed = atob(byId("plotly").textContent);
  const bytes = new Uint8Array(packed.length);
  for (let place = 0; place < packed.length; place += 1) bytes[place] = packed.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  byId("plotly").remove();
}

function chosenChart() {
  const wanted = ["model", "dataset", "attack"].map((name) => [name, curveForm.elements[name].value]);
  return charts.find((chart) => wanted.every(([name, value]) => chart[name] === value));
}

function fillCharts() {
  fill(curveForm.elements.model, unique(charts.map((chart) => chart.model)));
  const ofModel = charts.filter((chart) => chart.model === curveForm.elements.model.value);
  fill(curveForm.elements.dataset, unique(ofModel.map((chart) => chart.dataset)));
  const ours = ofModel.filter((chart) => chart.dataset === curveForm.elements.dataset.value);
  fill(curveForm.elements.attack, ours.map((chart) => chart.attack).sort());
}

function drawChart() {
  const chart = chosenChart();
  if (!chart) return;
  if (!bandsChosen) curveForm.elements.bands.checked = chart.methods.length <= BANDS;
  drawMarks(chart);
  drawNumbers(chart);
  drawNotes(chart);
  byId("chart").setAttribute("aria-label", `Clean accuracy against attack success under ${chart.attack}; the same numbers are in the table below`);
  if (!window.Plotly) return;
  const shown = chart.methods.filter((method) => !hiddenMethods.has(method.method));
  const config = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };
  window.Plotly.react(byId("chart"), traces(chart, shown, curveForm.elements.bands.checked), chartLayout(chart, budget), config);
}

function drawMarks(chart) {
  const field = byId("chart-methods");
  const wanted = chart.methods.map((method) => method.method);
  if (field.dataset.methods === JSON.stringify(wanted)) return;
  field.dataset.methods = JSON.stringify(wanted);
  const boxes = chart.methods.map(({ method, knowledge }) => {
    const box = element("input", { type: "checkbox", checked: !hiddenMethods.has(method) });
    box.addEventListener("change", () => {
      if (box.checked) hiddenMethods.delete(method);
      else hiddenMethods.add(method);
      drawChart();
    });
    return element("label", { title: `knowledge: ${knowledge}` }, box, swatch(method), method);
  });
  const all = (title, act) =>
    element("button", { type: "button", onclick: () => { for (const method of wanted) act(method); delete field.dataset.methods; drawChart(); byId(`marks-${title}`).focus(); }, id: `marks-${title}` }, title);
  field.replaceChildren(field.querySelector("legend"), ...boxes, all("all", (method) => hiddenMethods.delete(method)), all("none", (method) => hiddenMethods.add(method)));
}

function drawNotes(chart) {
  const holes = chart.methods.filter((method) => !known(method.pick[1]));
  const notes = ["✖ victim, ★ clean model, dotted: the budget, pale band: the Pareto front of all methods."];
  if (chart.methods.length > BANDS) notes.push(`Curves beyond the ${BANDS} of lowest success are faint.`);
  if (chart.weak) notes.push("The victims of this attack are too weak to rank on.");
  if (chart.methods.some((method) => method.state === "partial")) notes.push("Hollow: some seeds have no number.");
  if (holes.length) notes.push(`No number: ${holes.map((method) => `${method.method} (${method.state})`).join(", ")}.`);
  byId("chart-notes").textContent = notes.join(" ");
}

function drawNumbers(chart) {
  const titles = ["Defense", "Success (%)", "Seeds (%)", "Clean accuracy (%)", "State", "n"];
  const rows = chart.methods.map((method) => [
    method.method,
    percent(method.pick[1]),
    known(method.pick_range[0]) ? `${percent(method.pick_range[0])} to ${percent(method.pick_range[1])}` : DASH,
    percent(method.pick[0]),
    method.state,
    `${method.seeds_ok} of ${counted(method.seeds, "seed")}`,
  ]);
  byId("chart-numbers").lastElementChild.replaceWith(plainTable(`Blind picks under ${chart.attack}`, titles, rows));
}

async function startPlotly() {
  try {
    await runPlotly();
    byId("chart").replaceChildren();
    drawChart();
  } catch (error) {
    byId("chart").replaceChildren(element("p", { class: "warning" }, `The chart cannot be drawn in this browser (${error.message}); its numbers are in the table below.`));
  }
}

fillCharts();
onChange(curveForm, (event) => {
  if (event?.target === curveForm.elements.bands) bandsChosen = true;
  fillCharts();
  drawChart();
});
drawChart();
themeListeners.push(drawChart);
new IntersectionObserver((entries, observer) => {
  if (plotlyReady || !entries.some((entry) => entry.isIntersecting)) return;
  observer.disconnect();
  plotlyReady = startPlotly();
}, { rootMargin: "300px" }).observe(byId("chart"));
