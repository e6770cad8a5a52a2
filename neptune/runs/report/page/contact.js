// The contact sheet is all there without a script; this is its theme.
startPage();
document.documentElement.dataset.ready = "true";
