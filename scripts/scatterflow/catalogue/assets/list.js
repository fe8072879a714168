// The page of the list: what is looked for is read from the address, shown, and written back to it.
"use strict";
(function () {
  const by = (id) => document.getElementById(id);
  const element = portal.element;
  let state = portal.readAddress();

  function change(alter) {
    const before = state.page;
    alter(state);
    // Another choice begins on its first page.
    if (state.page === before) state.page = 1;
    show();
    history.replaceState(null, "", portal.addressOf(state));
    remember();
  }

  // The page of a result leads back to the list as it was.
  function remember() {
    try {
      sessionStorage.setItem("scatterflow.list", location.hash);
    } catch {
      // Storage may be forbidden; then the way back is to the whole list.
    }
  }

  function show() {
    const result = portal.find(state);
    const number = result.found.length;
    const pages = Math.max(1, Math.ceil(number / state.size));
    state.page = Math.min(state.page, pages);
    const all = portal.data.rows.length;
    by("count").textContent =
      number === all
        ? `${all.toLocaleString("en")} result${all === 1 ? "" : "s"}`
        : `${number.toLocaleString("en")} of ${all.toLocaleString("en")} results`;
    portal.showFacets(by("groups"), state, result, change);
    portal.showHead(by("head"), state, change);
    portal.showOrders(by("order"), state);
    const first = (state.page - 1) * state.size;
    portal.showRows(by("rows"), result.found.slice(first, first + state.size));
    portal.showPages(by("pages"), state, pages, change);
    showChips();
    document.querySelector("table.results").hidden = number === 0;
    by("pages").hidden = number <= portal.SIZES[0];
    by("empty").hidden = number !== 0;
  }

  function showChips() {
    const chips = [];
    const add = (text, remove) =>
      chips.push(
        element(
          "li",
          {},
          element("button", { type: "button", "aria-label": `Remove filter ${text}`, onclick: () => {
            change(remove);
            (by("chips").querySelector("button") || by("words")).focus();
          } }, text, element("span", { "aria-hidden": "true" }, "\u00d7")),
        ),
      );
    for (const { name, title } of portal.FACETS) {
      for (const value of state.chosen[name] || []) {
        add(`${title}: ${portal.valueText(name, value)}`, (next) => {
          next.chosen[name].delete(value);
          if (!next.chosen[name].size) delete next.chosen[name];
        });
      }
    }
    if (state.from || state.to) {
      const text = [state.from && `from ${state.from}`, state.to && `to ${state.to}`].filter(Boolean).join(" ");
      add(`Date: ${text}`, (next) => (next.from = next.to = ""));
    }
    const used = chips.length;
    if (used > 1) {
      chips.push(element("li", {}, element("button", { type: "button", class: "all", onclick: clear }, "Clear all")));
    }
    by("chips").replaceChildren(...chips);
    by("toggle").textContent = used ? `Filters (${used})` : "Filters";
  }

  function clear() {
    change((next) => Object.assign(next, portal.nothingChosen()));
    by("words").value = "";
    by("words").focus();
  }

  function toggleFacets() {
    const open = by("facets").classList.toggle("open");
    by("toggle").setAttribute("aria-expanded", String(open));
  }

  by("words").value = state.words;
  by("words").addEventListener("input", () => change((next) => (next.words = by("words").value)));
  by("search").addEventListener("submit", (event) => event.preventDefault());
  by("order").addEventListener("change", () => change((next) => (next.order = by("order").value)));
  by("toggle").addEventListener("click", toggleFacets);
  by("clear").addEventListener("click", clear);
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, select, textarea");
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    by("words").focus();
    by("words").select();
  });
  addEventListener("hashchange", () => {
    if (location.hash && !location.hash.startsWith("#?")) return;
    state = portal.readAddress();
    by("words").value = state.words;
    show();
    remember();
  });
  show();
  remember();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
