// The list itself: one row per result, its head that sorts, and the pages.
"use strict";
(function () {
  const element = portal.element;
  const COLUMNS = [
    { title: "Picture", unseen: true },
    { title: "Result", order: "run" },
    { title: "Sample", order: "sample" },
    { title: "Technique", order: "technique" },
    { title: "Measured", order: "date" },
    { title: "Frames", order: "frames", class: "number" },
    { title: "Quality", order: "quality" },
  ];

  portal.showHead = function (place, state, change) {
    const focused = document.activeElement?.id;
    place.replaceChildren(
      ...COLUMNS.map((column) => {
        const name = state.order.replace("-", "");
        const falling = state.order.startsWith("-");
        const sorted = column.order === name ? (falling ? "descending" : "ascending") : null;
        const text = column.order
          ? element(
              "button",
              {
                type: "button",
                id: `sort:${column.order}`,
                onclick: () => change((next) => (next.order = sorted === "ascending" ? `-${column.order}` : column.order)),
              },
              column.title,
            )
          : element("span", { class: "unseen" }, column.title);
        return element(
          "th",
          { role: "columnheader", scope: "col", "aria-sort": sorted, class: column.class || "" },
          text,
        );
      }),
    );
    if (focused?.startsWith("sort:")) document.getElementById(focused)?.focus();
  };

  portal.showOrders = function (place, state) {
    const orders = COLUMNS.filter((column) => column.order).flatMap(({ title, order }) => {
      const [up, down] = { date: ["oldest first", "newest first"], frames: ["fewest first", "most first"] }[order] || [
        order === "quality" ? "best first" : "A to Z",
        order === "quality" ? "worst first" : "Z to A",
      ];
      return [
        [order, `${title}, ${up}`],
        [`-${order}`, `${title}, ${down}`],
      ];
    });
    place.replaceChildren(...orders.map(([order, text]) => element("option", { value: order }, text)));
    place.value = state.order;
  };

  portal.showRows = function (place, rows) {
    place.replaceChildren(...rows.map(resultRow));
  };

  function resultRow(row) {
    const get = (name) => portal.value(row, name);
    const address = `runs/${encodeURIComponent(get("run"))}/${encodeURIComponent(get("reduction"))}.html`;
    const picture = get("thumbnail")
      ? element("img", { src: get("thumbnail"), alt: "", loading: "lazy", decoding: "async", width: 96, height: 72 })
      : element("span", { class: "no-picture" });
    const link = element(
      "a",
      { href: address, class: "name" },
      get("run"),
      element("span", { class: "slash" }, " / "),
      get("reduction"),
    );
    const verdict = get("verdict");
    const cell = (label, properties, ...inside) =>
      element("td", { role: "cell", "data-label": label, ...properties }, ...inside);
    return element(
      "tr",
      { role: "row" },
      cell("", { class: "picture" }, picture),
      cell(
        "",
        { class: "title" },
        link,
        element("span", { class: "text" }, get("title")),
        element("span", { class: "text creators" }, get("creators").join(", ")),
      ),
      cell("Sample", {}, get("sample") ?? "\u2013"),
      cell("Technique", { class: "technique" }, portal.valueText("technique", get("technique")), element("span", { class: "text" }, get("detectors").join(", "))),
      cell("Measured", { class: "date" }, (get("date") || "\u2013").slice(0, 10), element("span", { class: "text" }, (get("date") || "").slice(11, 16))),
      cell("Frames", { class: "number" }, get("frames").toLocaleString("en")),
      cell("Quality", {}, element("span", { class: `verdict ${verdict}` }, portal.valueText("quality", verdict))),
    );
  }

  portal.showPages = function (place, state, pages, change) {
    const step = (text, page, possible) =>
      element(
        "button",
        {
          type: "button",
          class: "button",
          disabled: !possible,
          onclick: () => {
            change((next) => (next.page = page));
            document.getElementById("main").focus({ preventScroll: true });
            scrollTo(0, 0);
          },
        },
        text,
      );
    const sizes = element("select", { id: "size" }, ...portal.SIZES.map((size) => element("option", { value: size }, String(size))));
    sizes.value = state.size;
    sizes.addEventListener("change", () => change((next) => (next.size = Number(sizes.value))));
    place.replaceChildren(
      step("Previous", state.page - 1, state.page > 1),
      element("span", { "aria-current": "page" }, `Page ${state.page} of ${pages}`),
      step("Next", state.page + 1, state.page < pages),
      element("label", { class: "sizes" }, "Per page", sizes),
    );
  };
})();
