"use strict";
// Draws the figures in the page's colours, again when the scheme changes. Colours beginning with @ are CSS variables.
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const plots = [...document.querySelectorAll(".plot")];

  // what these hold comes from data, and may begin with @ too
  const WORDS = new Set(["text", "x", "y", "z", "name", "legendgroup", "customdata"]);

  const coloured = (value, colour) =>
    typeof value === "string" ? (value.startsWith("@") ? colour(value.slice(1)) : value)
    : Array.isArray(value) ? (typeof value[0] === "number" ? value : value.map((one) => coloured(one, colour)))
    : value && typeof value === "object"
      ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, WORDS.has(key) ? one : coloured(one, colour)]))
    : value;

  const axis = (given, colour, three) => ({
    gridcolor: colour("grid"), zerolinecolor: colour("grid"), linecolor: colour("line"), tickcolor: colour("line"),
    tickfont: { color: colour("muted"), size: 11 }, ...(three ? { showbackground: false } : { automargin: true }), ...given,
    title: { font: { color: colour("muted"), size: 12 }, ...(three ? {} : { standoff: 8 }), ...(given && given.title) },
  });

  const styled = (layout, colour) => {
    const { legend, scene, xaxis, yaxis, ...rest } = layout;
    return {
      font: { family: getComputedStyle(document.body).fontFamily, color: colour("text"), size: 12 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 52, r: 12, t: 10, b: 40 },
      hoverlabel: { bgcolor: colour("card"), bordercolor: colour("line"), font: { color: colour("text") } },
      showlegend: Boolean(legend),
      legend: { orientation: "h", x: 0, xanchor: "left", y: 1.02, yanchor: "bottom", font: { color: colour("muted") } },
      ...(scene
        ? { scene: { ...scene, ...Object.fromEntries(["xaxis", "yaxis", "zaxis"].map((name) => [name, axis(scene[name], colour, true)])) } }
        : { xaxis: axis({ showgrid: false, ...xaxis }, colour), yaxis: axis(yaxis, colour) }),
      ...rest,
      ...(legend ? { margin: { l: 52, r: 12, t: 34, b: 40 } } : {}),
    };
  };

  const draw = async () => {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(`--${name}`).trim();
    for (const plot of plots) {
      const figure = figures[Number(plot.dataset.figure)];
      const settings = { responsive: true, displaylogo: false, displayModeBar: false };
      await Plotly.react(plot, coloured(figure.data, colour), styled(figure.layout, colour), settings);
    }
    document.body.dataset.drawn = String(plots.length);
  };

  const failed = (error) => {
    for (const plot of plots) {
      plot.className = "failed";
      plot.textContent = `This plot cannot be drawn: ${error.message || error}`;
    }
    throw error;
  };

  const load = async () => {
    const packed = Uint8Array.from(atob(document.getElementById("plotly").textContent), (c) => c.charCodeAt(0));
    if (!window.DecompressionStream) throw new Error("this browser is too old (it lacks DecompressionStream)");
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    await draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  };

  if (plots.length) load().catch(failed);
  else document.body.dataset.drawn = "0";
})();
