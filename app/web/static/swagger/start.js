// A file of its own, because the content security policy allows no inline scripts.
"use strict";

// Swagger UI's own dark colours, as the page is dark
function followTheme() {
  const chosen = document.documentElement.dataset.theme;
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark-mode", dark);
}
followTheme();
new MutationObserver(followTheme).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", followTheme);

// what Swagger UI leaves without a name
function nameControls() {
  for (const each of document.querySelectorAll("#swagger select:not([aria-label])")) each.setAttribute("aria-label", each.id === "servers" ? "Server" : "Choice");
  for (const each of document.querySelectorAll("#swagger input:not([aria-label]):not([id])")) each.setAttribute("aria-label", each.placeholder || each.type);
}
new MutationObserver(nameControls).observe(document.getElementById("swagger"), { childList: true, subtree: true });

window.ui = SwaggerUIBundle({
  url: `${document.documentElement.dataset.base}openapi.json`,
  dom_id: "#swagger",
  // a link inside the button that opens an operation is one control in another, which no screen reader can reach
  deepLinking: false,
  // two hundred operations are found by their section or the filter, not by scrolling
  docExpansion: "none",
  filter: true,
  persistAuthorization: true,
  validatorUrl: null,
});
