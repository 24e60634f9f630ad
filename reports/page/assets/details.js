// One cell, or one row of a board, with all that is known of it.

const dialog = byId("details");
const details = () => dataOf("details");

function openDialog(title, ...content) {
  byId("details-title").textContent = title;
  byId("details-body").replaceChildren(...content.flat(Infinity).filter(Boolean));
  hideTip();
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
  byId("details-title").focus();
}

byId("details-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => setHash(""));

function setHash(hash) {
  try {
    history.replaceState(null, "", hash || location.pathname + location.search);
  } catch {
    // a browser that keeps no history for files still shows the cell
  }
}

/** The names and values of a packed mapping. */
function unpacked(packed) {
  if (!packed) return [];
  const { pool } = details();
  return pool[packed[0]].map((name, place) => [name, pool[packed[place + 1]]]);
}

/** Nested values as paths and texts. */
function flat(value, path = "") {
  if (value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length)
    return Object.entries(value).flatMap(([name, inside]) => flat(inside, path ? `${path}.${name}` : name));
  if (Array.isArray(value) && value.every((inside) => inside === null || typeof inside !== "object")) return [[path, value.join(", ") || "none"]];
  return [[path, typeof value === "string" ? value : JSON.stringify(value)]];
}

const folded = (title, ...content) => element("details", {}, element("summary", {}, title), ...content);

function openCell(row) {
  const { texts, shared, pool, key } = details();
  const state = textAt(cells.state, row);
  const reason = textAt(texts.reason, row);
  const trace = shared.traceback[row];
  openDialog(
    cellName(row),
    element("p", {}, badge(state), reason && state !== "ok" ? ` ${reason}` : ""),
    trace !== null && element("pre", { tabindex: "0", "aria-label": "Traceback" }, pool[trace]),
    cellFacts(row),
    cellModels(row),
    cellPoints(row),
    cellParameters(row),
    cellProvenance(row),
  );
  setHash(`#cell=${key[row]}`);
}

const pointName = (place, points) => (place < 0 ? "the victim itself" : `point ${place + 1} of ${points.length - 1}, strength ${number(points[place + 1][0])}`);

function cellFacts(row) {
  const { points, oracle, numbers, texts } = details();
  const cost = (name) => numbers[name][row];
  const pick = cells.pick[row];
  const gate = textAt(texts.gate_reason, row);
  return listOf([
    ["Knowledge", textAt(cells.knowledge, row)],
    ["Victim", textAt(cells.victim, row) + (gate ? `: ${gate}` : "")],
    ["Blind pick", known(pick) ? pointName(pick, points[row]) : null],
    ["Oracle pick", known(oracle[row]) ? `${pointName(oracle[row], points[row])} (looks at the attack; never ranks)` : null],
    ["Rebound", known(cells.rebound[row]) ? `${percent(cells.rebound[row])} % at most in a clean fine-tuning` : null],
    ["Time", duration(cost("seconds")) + (cost("device_seconds") ? `, on the device ${duration(cost("device_seconds"))}` : "")],
    ["Memory", cost("peak_memory_bytes") ? `${fixed(cost("peak_memory_bytes") / 2 ** 20, 0)} MiB at its peak` : null],
    ["Clean pairs", number(cost("clean_pairs"))],
    ["Triggered pairs", cost("triggered_pairs") ? number(cost("triggered_pairs")) : null],
    ["Optimiser steps", number(cost("optimiser_steps"))],
    ["Pairs seen", cost("pairs_seen") ? number(cost("pairs_seen")) : null],
    ["Trainable parameters", cost("trainable_parameters") ? number(cost("trainable_parameters")) : null],
  ]);
}

const RATE_TITLES = {
  attack_success_rate: "Success",
  clean_accuracy: "Clean",
  robust_accuracy: "Robust",
  target_recall: "Recall",
  trigger_shift: "Shift",
};

function cellModels(row) {
  const { points, clean_model, oracle, point_rates } = details();
  if (!points[row].length) return null;
  const at = (place) => points[row][place + 1].slice(2);
  const models = [["Clean model", point_rates.map((name) => clean_model[name][row])], ["Victim", at(-1)]];
  if (known(cells.pick[row])) models.push(["Blind pick", at(cells.pick[row])]);
  if (known(oracle[row])) models.push(["Oracle pick", at(oracle[row])]);
  const caption = `Test split (%), n = ${number(cells.clean_images[row])} images, ${number(cells.success_images[row])} of them not of the target class`;
  return plainTable(caption, ["Model", ...point_rates.map((name) => RATE_TITLES[name])], models.map(([name, rates]) => [name, ...rates.map(percent)]));
}

function cellPoints(row) {
  const { points, point_rates } = details();
  if (points[row].length < 2) return null;
  const titles = ["Strength", "Time", ...point_rates.map((name) => `${RATE_TITLES[name]} (%)`)];
  const rows = points[row].slice(1).map(([strength, seconds, ...rates]) => [number(strength), duration(seconds), ...rates.map(percent)]);
  return folded(`Trade-off curve, ${counted(rows.length, "point")}`, plainTable("", titles, rows));
}

function cellParameters(row) {
  const parameters = unpacked(details().packed.parameters[row]);
  if (!parameters.length) return null;
  const single = parameters.filter(([, value]) => typeof value !== "object" || value === null || Array.isArray(value));
  const nested = parameters.filter((entry) => !single.includes(entry));
  return folded(
    "Parameters",
    nested.map(([name, value]) => [element("h3", {}, name), listOf(flat(value))]),
    single.length ? [element("h3", {}, "other"), listOf(single.flatMap(([name, value]) => flat(value, name)))] : [],
  );
}

function cellProvenance(row) {
  const { texts, packed, shared, pool, key, numbers } = details();
  const commit = shared.git_commit[row];
  const facts = [
    ["Result", key[row]],
    ["Computed", textAt(texts.utc, row)],
    ["Device", textAt(texts.device, row)],
    ["Commit", commit === null ? null : pool[commit]],
    ["Metric version", number(numbers.metric_version[row])],
  ];
  const group = (title, name, shown = String) => {
    const entries = unpacked(packed[name][row]);
    return entries.length ? [element("h3", {}, title), listOf(entries.map(([entry, value]) => [entry, shown(value)]))] : [];
  };
  return folded(
    "Provenance",
    listOf(facts),
    group("Seeds", "seeds"),
    group("Packages", "packages"),
    group("Versions of the plugins", "plugins"),
    group("Keys of the stages", "keys"),
    group("Time by stage", "stage_seconds", duration),
    group("Gate of the victim (validation)", "gate", (value) => percent(1e4 * value)),
  );
}

function openBoardRow(row) {
  const { board } = row;
  const rate = (name, value) => [name, known(row(value)) ? `${percent(row(value))} %` : null];
  openDialog(
    row("method"),
    element("p", {}, `${board.model} on ${board.dataset}, the defender knows: ${board.knowledge}`),
    element("ul", {}, explainBoardRow(row).slice(1).filter(Boolean).map((line) => element("li", {}, line))),
    listOf([
      rate("Success at 1 point", "success_at_1"),
      rate("Success at 2 points", "success_at_2"),
      rate("Success at 5 points", "success_at_5"),
      rate("Success over dev attacks", "dev_success"),
      rate("Success over held-out attacks", "held_out_success"),
      rate("Area (mean over budgets 0 to 5)", "area"),
      rate("Success at the last point within the budget (never ranks)", "last_success"),
      rate("Success at the oracle pick (never ranks)", "oracle_success"),
      rate("Largest shift to another class", "trigger_shift"),
      rate("Robust accuracy", "robust_accuracy"),
      rate("Accuracy on other data sets", "general_accuracy"),
      rate("Rebound (highest success in a clean fine-tuning)", "rebound"),
      rate("Retrieval, R@1", "retrieval_r1"),
      rate("Retrieval, R@5", "retrieval_r5"),
      rate("Retrieval, R@10", "retrieval_r10"),
      rate("Loss of target recall, worst attack", "recall_loss"),
      rate("Accuracy kept, corrected for chance", "retained_accuracy_corrected"),
      rate("Defense effectiveness", "defense_effectiveness"),
      ["Ranks when one attack is left out", rankRange(row)],
      ["Ranks over the data sets", rankRange(row, "dataset_rank")],
      ["Time", duration(row("seconds"))],
      ["Memory", row("peak_memory_bytes") ? `${fixed(row("peak_memory_bytes") / 2 ** 20, 0)} MiB at its peak` : null],
      ["Clean pairs", number(row("clean_pairs"))],
      ["Triggered pairs", row("triggered_pairs") ? number(row("triggered_pairs")) : null],
      ["Optimiser steps", number(row("optimiser_steps"))],
      ["Trainable parameters", row("trainable_parameters") ? number(row("trainable_parameters")) : null],
      ["Cells", ["ok", "missing", "skipped", "failed", "left_out"]
          .filter((name) => name === "ok" || row(`cells_${name}`))
          .map((name) => `${row(`cells_${name}`)} ${name.replace("_", " ")}`).join(", ")],
      ["Cells on victims that are not ranked on", `${row("cells_weak")}`],
      ["Cells whose test loss exceeds the budget", `${row("cells_overshooting")}`],
      ["Cells where the pick is the victim itself", `${row("keeps_victim")}`],
    ]),
    element("button", { type: "button", onclick: () => showCellsOf(row) }, "Show its cells"),
  );
}

function showCellsOf(row) {
  dialog.close();
  cellForm.reset();
  for (const name of ["model", "dataset", "knowledge"]) cellForm.elements[name].value = row.board[name];
  cellForm.elements.search.value = row("method");
  showPage(0);
  byId("cells").scrollIntoView();
  byId("cells").focus({ preventScroll: true });
}

const linked = location.hash.match(/^#cell=(\w+)$/);
if (linked && details().key.includes(linked[1])) openCell(details().key.indexOf(linked[1]));
