"use strict";
(() => {
  const table = document.getElementById("findings");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const words = new Map(rows.map((row) => [row, (row.textContent + " " + row.cells[5].title).toLowerCase()]));
  const search = document.getElementById("search");
  const boxes = Array.from(document.querySelectorAll("input.severity"));
  const suppressed = document.getElementById("suppressed");
  const shown = document.getElementById("shown");

  const filter = () => {
    const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const severities = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    let count = 0;
    for (const row of rows) {
      const keep = severities.has(row.dataset.severity)
        && (suppressed.checked || !row.classList.contains("suppressed"))
        && wanted.every((word) => words.get(row).includes(word));
      row.hidden = !keep;
      count += keep ? 1 : 0;
    }
    shown.textContent = `${count} of ${rows.length} findings`;
  };

  const headers = Array.from(table.tHead.rows[0].cells);
  const sort = (header, at) => {
    const number = header.dataset.kind === "number";
    const now = header.getAttribute("aria-sort");
    // The first click brings the greatest number, or the first word.
    const up = number ? now === "descending" : now !== "ascending";
    const sign = up ? 1 : -1;
    const key = (row) => number ? Number(row.cells[at].dataset.sort) : row.cells[at].textContent;
    const keys = new Map(rows.map((row) => [row, key(row)]));
    rows.sort((a, b) => {
      const [x, y] = [keys.get(a), keys.get(b)];
      return sign * (number ? x - y : x.localeCompare(y, "en", { numeric: true }));
    });
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.append(...rows);
  };
  headers.forEach((header, at) => header.querySelector("button").addEventListener("click", () => sort(header, at)));
  for (const input of [search, suppressed, ...boxes]) input.addEventListener("input", filter);
  filter();
})();
