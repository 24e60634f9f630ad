// Boards of detectors: what finds the backdoor instead of removing it.

function detectorTable({ title, legend, headers, rows }) {
  return [element("h4", {}, title), legend ? element("p", { class: "muted" }, legend) : null, plainTable("", headers, rows, headers.includes("Knows") ? 2 : 1)];
}

byId("detectors-boards").append(
  ...dataOf("detectors").flatMap((board) => [
    element("h3", {}, board.title),
    element("p", { class: "muted" }, board.legend),
    ...board.tables.flatMap(detectorTable).filter(Boolean),
    element("ul", { class: "muted" }, board.notes.map((note) => element("li", {}, note))),
  ]),
);
