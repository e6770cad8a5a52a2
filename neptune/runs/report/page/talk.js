// The page of one conversation: light and dark, as all pages have it; its turns are there without a script.
startPage();
document.documentElement.dataset.ready = "true";
