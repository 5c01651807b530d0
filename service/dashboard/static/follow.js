// Follows a job: rows of the table of steps change as its events come; the page is loaded again when it ends.

const state = document.getElementById("state");
const rows = document.getElementById("step-rows");
const words = {
  "step-started": "running",
  "step-retried": "running",
  "step-skipped": "skipped",
  "step-finished": "done",
};
let last = Number(state.dataset.last);

function row(step) {
  for (const own of rows.rows) if (own.cells[0].textContent === step) return own;
  if (rows.rows.length && rows.rows[0].cells.length === 1) rows.replaceChildren();
  const own = rows.insertRow();
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = step;
  own.append(head, document.createElement("td"), document.createElement("td"));
  return own;
}

function progress(data) {
  const figures = Object.entries(data).filter(([name]) => name !== "step" && name !== "fraction");
  return [`${Math.round(100 * (data.fraction ?? 0))} %`, ...figures.map(([name, value]) => `${name} ${value}`)].join(", ");
}

function heard(message) {
  const event = JSON.parse(message.data);
  if (event.number <= last) return;
  last = event.number;
  const step = event.data.step;
  if (event.kind === "progress") {
    row(step).cells[2].textContent = progress(event.data);
  } else if (event.kind in words) {
    const own = row(step);
    own.cells[1].textContent = words[event.kind];
    own.cells[2].textContent = event.data.reason ?? "";
  } else if (["succeeded", "failed", "cancelled"].includes(event.kind)) {
    location.reload();
  } else if (event.kind === "started") {
    state.querySelector("strong").textContent = "running";
  }
}

const source = new EventSource(state.dataset.events);
for (const kind of [...Object.keys(words), "progress", "started", "succeeded", "failed", "cancelled"]) {
  source.addEventListener(kind, heard);
}
addEventListener("pagehide", () => source.close());
