// What is looked for, kept in the address after #? so that it can be shared, and works from file://.
"use strict";
(function () {
  const DAY = /^\d{4}-\d{2}-\d{2}$/;
  const UNKNOWN = "\u2013";
  portal.SIZES = [25, 50, 100];

  portal.nothingChosen = () => ({ words: "", from: "", to: "", order: "-date", page: 1, size: 50, chosen: {} });

  portal.readAddress = function () {
    const state = portal.nothingChosen();
    if (!location.hash.startsWith("#?")) return state;
    const given = new URLSearchParams(location.hash.slice(2));
    state.words = given.get("q") || "";
    for (const end of ["from", "to"]) if (DAY.test(given.get(end) || "")) state[end] = given.get(end);
    const order = given.get("sort") || "";
    if (portal.ORDERS.includes(order.replace("-", ""))) state.order = order;
    const page = Number(given.get("page"));
    if (Number.isInteger(page) && page > 0) state.page = page;
    if (portal.SIZES.includes(Number(given.get("size")))) state.size = Number(given.get("size"));
    for (const { name } of portal.FACETS) {
      const list = given.getAll(name).map((text) => (text === UNKNOWN ? null : text));
      if (list.length) state.chosen[name] = new Set(list);
    }
    return state;
  };

  portal.addressOf = function (state) {
    const given = new URLSearchParams();
    if (state.words) given.set("q", state.words);
    for (const { name } of portal.FACETS) {
      for (const value of state.chosen[name] || []) given.append(name, value === null ? UNKNOWN : value);
    }
    for (const end of ["from", "to"]) if (state[end]) given.set(end, state[end]);
    if (state.order !== "-date") given.set("sort", state.order);
    if (state.size !== 50) given.set("size", state.size);
    if (state.page > 1) given.set("page", state.page);
    const text = given.toString();
    return text ? `#?${text}` : "#";
  };
})();
