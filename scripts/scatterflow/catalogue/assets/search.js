// Searching: text, facets, dates and order over the rows of data/records.js. No page elements here.
"use strict";
(function () {
  const fields = Object.fromEntries(portal.data.fields.map((name, place) => [name, place]));
  const rows = portal.data.rows;

  portal.FACETS = [
    { name: "technique", title: "Technique" },
    { name: "quality", title: "Quality", field: "verdict" },
    { name: "sample", title: "Sample" },
    { name: "creator", title: "Creator", field: "creators" },
    { name: "detector", title: "Detector", field: "detectors" },
    { name: "cycle", title: "Cycle" },
    { name: "qmap", title: "q-map" },
    { name: "mask", title: "Mask", field: "masks" },
  ];
  portal.ORDERS = ["run", "sample", "technique", "date", "frames", "quality"];
  portal.value = (row, name) => row[fields[name]];

  // Without case and accents, so that "Große" and "grosse" both find it.
  function folded(text) {
    return text.toLowerCase().normalize("NFKD").replace(/\p{M}/gu, "").replaceAll("ß", "ss");
  }

  const searched = rows.map((row) =>
    folded(
      row
        .filter((_, place) => place !== fields.thumbnail)
        .flat()
        .filter((value) => value !== null)
        .join("\n"),
    ),
  );
  const days = rows.map((row) => {
    const day = (portal.value(row, "date") || "").slice(0, 10);
    return day.length === 10 && Number.isFinite(Date.parse(day)) ? day : "";
  });
  const values = portal.FACETS.map(({ name, field }) =>
    rows.map((row) => {
      const value = portal.value(row, field || name);
      const list = Array.isArray(value) ? value : value === null ? [] : [value];
      return list.length ? list : [null];
    }),
  );

  // "two words" in quotes are one; a word after a minus must not be there.
  portal.terms = function (text) {
    const found = [];
    for (const [, minus, quoted, word] of text.matchAll(/(-?)(?:"([^"]*)"?|(\S+))/g)) {
      const term = folded(quoted ?? word);
      if (term) found.push({ term, wanted: minus !== "-" });
    }
    return found;
  };

  // state: {words, from, to, order, chosen: {facet: Set of values; null is "not known"}}.
  // Returns {found: rows in order, counts: Map of value to number per facet, days: of rows that all but the
  // dates let through}. A facet counts what all the others let through, so that more may be chosen.
  portal.find = function (state) {
    const terms = portal.terms(state.words);
    const chosen = portal.FACETS.map(({ name }) => state.chosen[name] || new Set());
    const counts = chosen.map(() => new Map());
    const found = [];
    const shownDays = [];
    for (let number = 0; number < rows.length; number++) {
      if (!terms.every(({ term, wanted }) => searched[number].includes(term) === wanted)) continue;
      const inTime = isBetween(days[number], state.from, state.to);
      let failed = -1;
      let failures = 0;
      for (let facet = 0; facet < chosen.length && failures < 2; facet++) {
        if (chosen[facet].size && !values[facet][number].some((value) => chosen[facet].has(value))) {
          failed = facet;
          failures++;
        }
      }
      if (failures === 0) shownDays.push(days[number]);
      if (!inTime || failures > 1) continue;
      for (let facet = 0; facet < chosen.length; facet++) {
        if (failures && facet !== failed) continue;
        for (const value of values[facet][number]) {
          counts[facet].set(value, (counts[facet].get(value) || 0) + 1);
        }
      }
      if (!failures) found.push(rows[number]);
    }
    return { found: sorted(found, state.order), counts, days: shownDays };
  };

  function isBetween(day, from, to) {
    if (!from && !to) return true;
    return day !== "" && (!from || day >= from) && (!to || day <= to);
  }

  const compareText = new Intl.Collator("en", { numeric: true, sensitivity: "base" }).compare;
  const badness = { pass: 0, warn: 1, fail: 2 };

  // Rows without a value come last, whichever way round; equal ones by the name of the run.
  function sorted(found, order) {
    const sign = order.startsWith("-") ? -1 : 1;
    const name = order.replace("-", "");
    const key = (row) => {
      if (name === "quality") return badness[portal.value(row, "verdict")] ?? null;
      return portal.value(row, name);
    };
    const keyed = found.map((row) => ({ row, key: key(row) }));
    const textual = name === "run" || name === "sample" || name === "technique";
    const compare = textual ? compareText : (a, b) => (a < b ? -1 : a > b ? 1 : 0);
    keyed.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return sign * compare(a.key, b.key) || compareText(portal.value(a.row, "run"), portal.value(b.row, "run"));
    });
    return keyed.map(({ row }) => row);
  }

  // Bars over time: by day, month or year, so that there are at most about forty, empty ones included.
  portal.histogram = function (shownDays) {
    const known = shownDays.filter((day) => day !== "").sort();
    if (!known.length) return [];
    const [first, last] = [known[0], known[known.length - 1]];
    const span = (Date.parse(last) - Date.parse(first)) / 86400000;
    const length = span <= 40 ? 10 : span <= 40 * 30 ? 7 : 4;
    const numbers = new Map();
    for (const day of known) {
      const name = day.slice(0, length);
      numbers.set(name, (numbers.get(name) || 0) + 1);
    }
    const bars = [];
    for (let name = first.slice(0, length); name <= last.slice(0, length); name = next(name)) {
      bars.push({ name, number: numbers.get(name) || 0, from: opening(name), to: closing(name) });
      if (bars.length > 1000) break;
    }
    return bars;
  };

  const opening = (name) => name + "-01-01".slice(name.length - 4);
  const closing = (name) => shifted(opening(next(name)), -1);

  function next(name) {
    if (name.length === 10) return shifted(name, 1);
    if (name.length === 7) return shifted(`${name}-28`, 7).slice(0, 7);
    return String(Number(name) + 1).padStart(4, "0");
  }

  function shifted(day, number) {
    return new Date(Date.parse(day) + number * 86400000).toISOString().slice(0, 10);
  }
})();
