// Builds the review page into one HTML file: a page opened by a double click can load nothing beside it.
import { defineConfig, type Plugin } from "vite";

/** Puts the script and the style sheet into the page itself. */
function inlined(): Plugin {
  return {
    name: "inlined",
    enforce: "post",
    generateBundle(_options, bundle) {
      const page = bundle["index.html"];
      if (page?.type !== "asset") {
        throw new Error("the build made no index.html");
      }
      let html = String(page.source);
      for (const [name, file] of Object.entries(bundle)) {
        if (file.type === "chunk") {
          const code = file.code.replaceAll("</script", "<\\/script");
          html = replaced(html, new RegExp(`<script[^>]*src="[^"]*${file.fileName}"[^>]*></script>`), "");
          // At the end of the body: a script inside the page runs where it stands.
          html = replaced(html, /<\/body>/, `<script type="module">${code}</script></body>`);
          delete bundle[name];
        } else if (name.endsWith(".css")) {
          const style = `<style>${String(file.source)}</style>`;
          html = replaced(html, new RegExp(`<link[^>]*href="[^"]*${file.fileName}"[^>]*>`), style);
          delete bundle[name];
        }
      }
      page.source = html;
      page.fileName = "review.html";
    },
  };
}

function replaced(html: string, what: RegExp, by: string): string {
  if (!what.test(html)) {
    throw new Error(`the page has no ${what}`);
  }
  return html.replace(what, () => by);
}

export default defineConfig({
  plugins: [inlined()],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: { target: "es2022", modulePreload: false, assetsInlineLimit: 100_000_000, cssCodeSplit: false },
});
