// Loaded between require.js and the manager of the widgets, on pages that have some.

// Modules such as anywidget stand beside this file, on this host or in this folder.
requirejs.config({ baseUrl: new URL(".", document.currentScript.src).href });

// The sliders ask for formulas in their labels as MathJax 2 was asked; they have none. MathJax 3
// makes its object anew when it starts, which is before the page has loaded.
window.addEventListener("load", () => {
  if (window.MathJax) window.MathJax.Hub ??= { Queue() {} };
});
