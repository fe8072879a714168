// The filters beside the list: values with their numbers, and results over time.
"use strict";
(function () {
  const SHOWN = 7;
  const SVG = "http://www.w3.org/2000/svg";
  const WORDS = {
    quality: { pass: "passed", warn: "warning", fail: "failed" },
    technique: { saxswaxs: "SAXS/WAXS", xpcs: "XPCS", shots: "XFEL shots" },
  };
  const opened = new Set();

  // Text is only ever set as text: nothing of a record is read as HTML.
  portal.element = function (name, properties = {}, ...inside) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key === "class") made.className = value;
      else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== null) made.setAttribute(key, value);
    }
    made.append(...inside.filter((item) => item !== null));
    return made;
  };
  const element = portal.element;

  portal.valueText = function (facet, value) {
    if (value === null) return "not known";
    return WORDS[facet]?.[value] ?? value;
  };

  // change(state -> void) alters what is looked for and shows it anew.
  portal.showFacets = function (place, state, result, change) {
    const focused = document.activeElement?.id;
    const groups = portal.FACETS.map((facet, number) =>
      facetGroup(facet, state, result.counts[number], change),
    );
    place.replaceChildren(groups[0], groups[1], timeGroup(state, result.days, change), ...groups.slice(2));
    // The list was made anew under the keyboard: what had the focus has it again.
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  function facetGroup(facet, state, counts, change) {
    const chosen = state.chosen[facet.name] || new Set();
    for (const value of chosen) if (!counts.has(value)) counts.set(value, 0);
    const values = [...counts].sort(
      ([a, x], [b, y]) => chosen.has(b) - chosen.has(a) || y - x || String(a).localeCompare(String(b)),
    );
    if (!values.length || (values.length === 1 && values[0][0] === null && !chosen.size)) return "";
    const all = opened.has(facet.name);
    const items = values.slice(0, all ? undefined : SHOWN).map(([value, number]) => {
      const name = `${facet.name}:${value === null ? "" : `=${value}`}`;
      const box = element("input", { type: "checkbox", id: name });
      box.checked = chosen.has(value);
      box.addEventListener("change", () =>
        change((next) => {
          const set = new Set(next.chosen[facet.name] || []);
          if (box.checked) set.add(value);
          else set.delete(value);
          if (set.size) next.chosen[facet.name] = set;
          else delete next.chosen[facet.name];
        }),
      );
      const text = element("span", { class: "value" }, portal.valueText(facet.name, value));
      return element(
        "li",
        {},
        element("label", {}, box, text, element("span", { class: "number" }, String(number))),
      );
    });
    const more =
      values.length > SHOWN
        ? element(
            "button",
            {
              type: "button",
              class: "link",
              id: `more:${facet.name}`,
              onclick: () => {
                if (all) opened.delete(facet.name);
                else opened.add(facet.name);
                change(() => {});
              },
            },
            all ? "Show fewer" : `Show all ${values.length}`,
          )
        : null;
    return element(
      "fieldset",
      { class: "facet", "data-facet": facet.name },
      element("legend", {}, facet.title),
      element("ul", {}, ...items),
      more,
    );
  }

  function timeGroup(state, days, change) {
    const bars = portal.histogram(days);
    if (!bars.length && !state.from && !state.to) return "";
    const end = (name, title) => {
      const input = element("input", { type: "date", id: `date:${name}`, value: state[name] });
      input.addEventListener("change", () => change((next) => (next[name] = input.value)));
      return element("label", {}, title, input);
    };
    return element(
      "fieldset",
      { class: "facet", "data-facet": "date" },
      element("legend", {}, "Date"),
      bars.length ? histogram(bars, state, change) : null,
      element("div", { class: "dates" }, end("from", "From"), end("to", "To")),
    );
  }

  function histogram(bars, state, change) {
    const highest = Math.max(...bars.map((bar) => bar.number));
    const buttons = bars.map((bar) => {
      const inside = (!state.from || bar.to >= state.from) && (!state.to || bar.from <= state.to);
      const alone = state.from === bar.from && state.to === bar.to;
      const picture = document.createElementNS(SVG, "svg");
      picture.setAttribute("viewBox", "0 0 1 1");
      picture.setAttribute("preserveAspectRatio", "none");
      const rectangle = document.createElementNS(SVG, "rect");
      const height = bar.number ? Math.max(0.04, bar.number / highest) : 0;
      rectangle.setAttribute("width", 1);
      rectangle.setAttribute("height", height);
      rectangle.setAttribute("y", 1 - height);
      picture.append(rectangle);
      return element(
        "button",
        {
          type: "button",
          id: `bar:${bar.name}`,
          class: inside ? "bar" : "bar outside",
          title: `${bar.name}: ${bar.number}`,
          "aria-label": `${bar.name}: ${bar.number} result${bar.number === 1 ? "" : "s"}`,
          "aria-pressed": String(alone),
          disabled: bar.number === 0,
          onclick: () =>
            change((next) => {
              next.from = alone ? "" : bar.from;
              next.to = alone ? "" : bar.to;
            }),
        },
        picture,
      );
    });
    return element(
      "div",
      {},
      element("div", { class: "bars", role: "group", "aria-label": "Results over time" }, ...buttons),
      element(
        "div",
        { class: "span", "aria-hidden": "true" },
        element("span", {}, bars[0].name),
        bars.length > 1 ? element("span", {}, bars[bars.length - 1].name) : null,
      ),
    );
  }
})();
